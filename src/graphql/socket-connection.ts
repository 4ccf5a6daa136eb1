import type { Server } from 'graphql-ws'
import type { WebSocket } from 'ws'
import type { Logger } from '../kernel/log.ts'
import { clientMessages } from './socket-messages.ts'
import type { SocketExtra } from './websocket.ts'

/** More than several of the largest frames; a client that leaves so much untaken does not read. */
const maxBufferedBytes = 128 * 1024 * 1024
/** Time for a client to answer the close frame, or a frame that was sent before it. */
const closeTimeoutMs = 2_000
const pingMs = 15_000
/** Larger frames go in fragments, so that a slow client is seen to take them bit by bit. */
const fragmentBytes = 256 * 1024

const wholeFrame = { binary: false, fin: true }
const fragment = { binary: false, fin: false }

/** One WebSocket, between the frames of `ws` and the protocol of graphql-ws. */
export interface Connection {
  /** Speaks the protocol until the socket is gone. */
  run(protocol: Server<SocketExtra>, extra: SocketExtra): void
  /** Null when the frame is taken at once; else resolves when the client has taken it, or the socket is closed. */
  send(frame: Buffer): Promise<void> | null
  close(code: number, reason: string): void
  /** Resolves when the socket is gone. */
  readonly gone: Promise<void>
  isOpen(): boolean
  /** Looks after the socket; called every second. */
  tick(): void
}

export interface ConnectionOptions {
  readonly socket: WebSocket
  readonly stalledMs: number
  readonly log: Logger
}

/**
 * Each frame is waited for to be taken before the next event is asked for, so a slow client slows its own subscriptions. One that takes nothing at all, or answers no ping, is cut off; one that takes a large frame slowly is not.
 */
export function openConnection({ socket, stalledMs, log }: ConnectionOptions): Connection {
  const outbox = openOutbox(socket, () => {
    isAnswered = true
  })
  let lastPingMs = Date.now()
  let isAnswered = true
  const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()))

  function close(code: number, reason: string): void {
    socket.close(code, reason)
    setTimeout(() => socket.terminate(), closeTimeoutMs).unref()
  }

  function tick(): void {
    const nowMs = Date.now()
    const isStalled = nowMs - outbox.waitingSinceMs() > stalledMs
    if (isStalled || outbox.bufferedBytes() > maxBufferedBytes) close(4408, 'resume')
    else if (nowMs - lastPingMs >= pingMs) ping(nowMs)
  }

  function ping(nowMs: number): void {
    if (!isAnswered) socket.terminate()
    else if (socket.readyState === socket.OPEN) socket.ping()
    lastPingMs = nowMs
    isAnswered = false
  }

  function run(protocol: Server<SocketExtra>, extra: SocketExtra): void {
    socket.on('error', (error) => log.debug({ err: error, requestId: extra.requestId }, 'socket failed'))
    socket.on('pong', () => {
      isAnswered = true
    })
    const onMessage = (handle: (data: string) => Promise<void>) => {
      const take = clientMessages(handle, () => close(4400, 'Invalid message received'))
      socket.on('message', (data) => {
        take(String(data)).catch((error: unknown) => {
          log.error({ err: error, requestId: extra.requestId }, 'socket message failed')
          close(4500, 'Internal server error')
        })
      })
    }
    const closed = protocol.opened(
      { protocol: socket.protocol, send: async (data) => void (await outbox.send(data)), close, onMessage },
      extra,
    )
    socket.once('close', (code, reason) => {
      closed(code, String(reason)).catch((error: unknown) => log.error({ err: error }, 'socket close failed'))
    })
  }

  return { run, send: outbox.send, close, tick, gone, isOpen: () => socket.readyState === socket.OPEN }
}

/** What a socket has to send. */
interface Outbox {
  /** Null when it is taken at once; else resolves when the client has taken it, or the socket is closed. */
  send(data: string | Buffer): Promise<void> | null
  /** Since when the oldest frame, or fragment, is not taken; infinity when all are. */
  waitingSinceMs(): number
  bufferedBytes(): number
}

/** @param onTaken called when the client has taken a fragment: it is there, however late it answers a ping. */
function openOutbox(socket: WebSocket, onTaken: () => void): Outbox {
  /** When what the client has not taken was sent, oldest first. */
  const untaken: number[] = []
  /** Who waits for it; null where nobody does. */
  const waiting: ((() => void) | null)[] = []
  /** Set while a large frame is under way; fragments of different frames must not mix. */
  let underWay: Promise<void> | null = null
  let queuedBytes = 0

  // Frames are taken in order. One that fails fails with its socket, whose close is heard.
  function taken(): void {
    untaken.shift()
    waiting.shift()?.()
  }

  function sendFrame(data: string | Buffer, options = wholeFrame): Promise<void> | null {
    if (socket.readyState !== socket.OPEN) return null
    untaken.push(Date.now())
    const place = waiting.push(null) - 1
    socket.send(data, options, taken)
    // Nearly always: `taken` is only told later.
    if (socket.bufferedAmount === 0) return null
    return new Promise((resolve) => {
      waiting[place] = resolve
    })
  }

  async function sendInFragments(data: string | Buffer): Promise<void> {
    const bytes = Buffer.from(data)
    for (let start = 0; start < bytes.length; start += fragmentBytes) {
      const end = start + fragmentBytes
      await sendFrame(bytes.subarray(start, end), end >= bytes.length ? wholeFrame : fragment)
      onTaken()
    }
    queuedBytes -= data.length
  }

  return {
    send(data) {
      if (underWay === null && data.length <= fragmentBytes) return sendFrame(data)
      queuedBytes += data.length
      const turn = (underWay ?? Promise.resolve()).then(() => sendInFragments(data))
      underWay = turn
      void turn.then(() => {
        if (underWay === turn) underWay = null
      })
      return turn
    },
    waitingSinceMs: () => untaken[0] ?? Number.POSITIVE_INFINITY,
    bufferedBytes: () => socket.bufferedAmount + queuedBytes,
  }
}
