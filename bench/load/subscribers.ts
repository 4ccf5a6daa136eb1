import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import WebSocket from 'ws'
import { type ChildProtocol, serveParent } from '../rig/child.ts'
import { quantile } from '../rig/statistics.ts'

/**
 * Holds the sockets of all subscribers in a process of its own and checks every frame: each socket must see sequences
 * that rise by one. A frame is searched for two fields rather than parsed, since one process reads for 500.
 */
export interface SubscribersProtocol extends ChildProtocol {
  readonly settings: Record<string, never>
  readonly ready: null
  readonly command: SubscriberCommand
  readonly answer: SubscriberReport
}

export type SubscriberCommand =
  | { readonly kind: 'open'; readonly group: string; readonly url: string; readonly count: number; readonly talk: Talk }
  /** Waits until each socket of the group has got so many frames since the last such report, then reports. */
  | { readonly kind: 'report'; readonly group: string; readonly frames: number; readonly withinMs: number }
  /** From now on the group's sockets read nothing. */
  | { readonly kind: 'stall'; readonly group: string }
  /** Ends the group; a later one of the same name is another. */
  | { readonly kind: 'close'; readonly group: string }

/** What a socket says before frames come: nothing, or the subscription. */
export type Talk =
  | { readonly kind: 'plain' }
  | {
      readonly kind: 'graphql'
      readonly token: string
      readonly query: string
      readonly variables: object
      /** It begins with messages, not with the end of the backlog. */
      readonly isBehind?: boolean
    }

export interface SubscriberReport {
  readonly frames: number
  /** Frames that did not follow their predecessor: lost, repeated or out of order. */
  readonly misplaced: number
  /** From the moment a request fell due to its frame; NaN where frames carry no time. */
  readonly latencyMs: { readonly p50: number; readonly p99: number }
  readonly lastFrame: string
}

class Subscriber {
  frames = 0
  misplaced = 0
  lastFrame = ''
  #lastSequence: number | null = null

  /** @returns how long the frame took, in ms; null for a frame that holds no message. */
  take(frame: string): number | null {
    const sequence = Number(/"sequence":(\d+)/.exec(frame)?.[1])
    if (Number.isNaN(sequence)) {
      return null
    }
    this.frames += 1
    if (this.#lastSequence !== null && sequence !== this.#lastSequence + 1) {
      this.misplaced += 1
    }
    this.#lastSequence = sequence
    this.lastFrame = frame
    const sentAt = /sentAt\D+(\d{19})/.exec(frame)?.[1]
    return sentAt === undefined ? Number.NaN : Number(process.hrtime.bigint() - BigInt(sentAt)) / 1e6
  }
}

interface Group {
  readonly subscribers: Subscriber[]
  readonly sockets: WebSocket[]
  latenciesMs: number[]
  isClosing: boolean
}

const groups = new Map<string, Group>()
const openAtOnce = 50

serveParent<SubscribersProtocol>(null, async (command) => {
  const group = groups.get(command.group) ?? { subscribers: [], sockets: [], latenciesMs: [], isClosing: false }
  groups.set(command.group, group)
  if (command.kind === 'open') {
    for (let opened = 0; opened < command.count; opened += openAtOnce) {
      const count = Math.min(openAtOnce, command.count - opened)
      await Promise.all(Array.from({ length: count }, () => open(group, command.url, command.talk)))
    }
    return report(group)
  }
  if (command.kind === 'stall') {
    for (const socket of group.sockets) socket.pause()
    return report(group)
  }
  if (command.kind === 'close') {
    group.isClosing = true
    groups.delete(command.group)
    for (const socket of group.sockets) socket.terminate()
    return report(group)
  }
  const deadlineMs = performance.now() + command.withinMs
  while (performance.now() < deadlineMs && group.subscribers.some(({ frames }) => frames < command.frames)) {
    await delay(2)
  }
  return report(group)
})

/** Also begins to count anew. */
function report(group: Group): SubscriberReport {
  const sum = (of: (subscriber: Subscriber) => number) => group.subscribers.reduce((total, each) => total + of(each), 0)
  const answer = {
    frames: sum(({ frames }) => frames),
    misplaced: sum(({ misplaced }) => misplaced),
    latencyMs: { p50: quantile(group.latenciesMs, 0.5), p99: quantile(group.latenciesMs, 0.99) },
    lastFrame: group.subscribers[0]?.lastFrame ?? '',
  }
  group.latenciesMs = []
  for (const subscriber of group.subscribers) {
    subscriber.frames = 0
    subscriber.misplaced = 0
  }
  return answer
}

async function open(group: Group, url: string, talk: Talk): Promise<void> {
  const subscriber = new Subscriber()
  const protocols = talk.kind === 'graphql' ? ['graphql-transport-ws'] : []
  const socket = new WebSocket(url, protocols, { perMessageDeflate: false })
  socket.on('close', (code, reason) => {
    if (!group.isClosing) throw new Error(`the server closed a subscriber's socket: ${code} ${reason}`)
  })
  group.sockets.push(socket)
  await once(socket, 'open')
  if (talk.kind === 'graphql') {
    await subscribe(socket, talk)
  }
  socket.on('message', (data) => take(group, subscriber, socket, String(data)))
  group.subscribers.push(subscriber)
}

function take(group: Group, subscriber: Subscriber, socket: WebSocket, frame: string): void {
  const tookMs = subscriber.take(frame)
  if (tookMs !== null) {
    if (!Number.isNaN(tookMs)) group.latenciesMs.push(tookMs)
  } else if (frame.startsWith('{"type":"ping"')) {
    socket.send('{"type":"pong"}')
  } else if (/^\{.{0,80}"type":"(error|complete)"/.test(frame)) {
    throw new Error(`a subscription ended: ${frame}`)
  }
}

async function subscribe(socket: WebSocket, talk: Talk & { kind: 'graphql' }): Promise<void> {
  const { token, query, variables, isBehind = false } = talk
  socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }))
  const [answer] = await once(socket, 'message')
  if (!String(answer).includes('connection_ack')) {
    throw new Error(`instead of connection_ack: ${answer}`)
  }
  const id = crypto.randomUUID()
  socket.send(JSON.stringify({ id, type: 'subscribe', payload: { query, variables } }))
  if (isBehind) return
  // The end of the backlog: from here on nothing is missed.
  const [first] = await once(socket, 'message')
  if (!String(first).includes('CaughtUp')) {
    throw new Error(`instead of CaughtUp: ${first}`)
  }
}
