import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { type ChildProtocol, serveParent } from '../rig/child.ts'
import { AnswerReader } from './answer-reader.ts'
import { openSocket, requestBytes } from './request.ts'

/**
 * Sends requests at a fixed rate, however long the answers take. Each body says when its request fell due, so that
 * whoever receives it in another process can tell how long it took: the monotonic clock is one for the whole machine.
 */
export interface PacedLoadProtocol extends ChildProtocol {
  readonly settings: Record<string, never>
  readonly ready: null
  readonly command: PacedLoad
  readonly answer: PacedLoadReport
}

export interface PacedLoad {
  readonly port: number
  readonly path: string
  readonly perSecond: number
  readonly count: number
}

export interface PacedLoadReport {
  readonly acknowledged: number
}

/** Enough that none is waited for at a few hundred requests a second; else the wait counts as latency, as it should. */
const connections = 32
const bodyBytes = 1_024
const answersWithinMs = 10_000

/** Nanoseconds of the monotonic clock in 19 digits; `load/subscribers.ts` looks for this field in a frame. */
const timePlaceholder = '0'.repeat(19)
const bodyStart = `{"sentAt":"${timePlaceholder}","padding":"`
const body = `${bodyStart}${'x'.repeat(bodyBytes - bodyStart.length - 2)}"}`

serveParent<PacedLoadProtocol>(null, runLoad)

async function runLoad({ port, path, perSecond, count }: PacedLoad): Promise<PacedLoadReport> {
  const request = requestBytes({ path, body, headers: { 'content-type': 'application/json' } })
  const sockets = await Promise.all(Array.from({ length: connections }, () => openSocket(port)))
  const sender = new Sender(request, sockets)
  const startedNs = process.hrtime.bigint()
  const gapNs = BigInt(Math.round(1e9 / perSecond))
  for (let index = 0; index < count; index += 1) {
    const dueNs = startedNs + gapNs * BigInt(index)
    const waitMs = Number(dueNs - process.hrtime.bigint()) / 1e6
    if (waitMs > 0) {
      await delay(waitMs)
    }
    sender.send(dueNs)
  }
  await sender.untilAnswered(count)
  for (const socket of sockets) {
    socket.destroy()
  }
  return { acknowledged: sender.acknowledged }
}

class Sender {
  acknowledged = 0
  #answered = 0
  readonly #request: Buffer
  readonly #timeOffset: number
  readonly #free: Socket[]
  readonly #due: bigint[] = []

  constructor(request: Buffer, sockets: readonly Socket[]) {
    this.#request = request
    this.#timeOffset = request.indexOf(timePlaceholder)
    this.#free = [...sockets]
    for (const socket of sockets) {
      const reader = new AnswerReader((status) => this.#onAnswer(socket, status))
      socket.on('data', (chunk) => reader.push(chunk))
    }
  }

  send(dueNs: bigint): void {
    this.#due.push(dueNs)
    this.#sendDue()
  }

  async untilAnswered(count: number): Promise<void> {
    const deadlineMs = performance.now() + answersWithinMs
    while (this.#answered < count) {
      if (performance.now() > deadlineMs) {
        throw new Error(`${count - this.#answered} of ${count} requests got no answer`)
      }
      await delay(5)
    }
  }

  #sendDue(): void {
    while (this.#due.length > 0 && this.#free.length > 0) {
      const bytes = Buffer.from(this.#request)
      bytes.write(String(this.#due.shift()).padStart(timePlaceholder.length, '0'), this.#timeOffset, 'latin1')
      this.#free.shift()?.write(bytes)
    }
  }

  #onAnswer(socket: Socket, status: number): void {
    this.#answered += 1
    this.acknowledged += status >= 200 && status < 300 ? 1 : 0
    this.#free.push(socket)
    this.#sendDue()
  }
}
