import type { Server } from 'graphql-ws'
import type { WebSocket } from 'ws'
import type { Logger } from '../kernel/log.ts'
import type { SocketExtra } from './websocket.ts'

/** More than several of the largest frames; a client that leaves so much untaken does not read. */
const maxBufferedBytes = 128 * 1024 * 1024
/** Time for a client to answer the close frame, or a frame that was sent before it. */
const closeTimeoutMs = 2_000
const pingMs = 15_000

/** One WebSocket, between the frames of `ws` and the protocol of graphql-ws. */
export interface Connection {
  /** Speaks the protocol until the socket is gone. */
  run(protocol: Server<SocketExtra>, extra: SocketExtra): void
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
 * graphql-ws waits for each frame to be taken before it asks for the next event, so a slow client slows its own
 * subscriptions. One that takes nothing at all, or answers no ping, is cut off.
 */
export function openConnection({ socket, stalledMs, log }: ConnectionOptions): Connection {
  /** When the frames that the client has not taken were sent, oldest first. */
  const untaken: number[] = []
  let lastPingMs = Date.now()
  let isAnswered = true
  const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()))

  function send(data: string): Promise<void> {
    return new Promise((resolve) => {
      if (socket.readyState !== socket.OPEN) return resolve()
      untaken.push(Date.now())
      // Frames are taken in order. One that fails fails with its socket, whose close is heard.
      socket.send(data, () => {
        untaken.shift()
        resolve()
      })
    })
  }

  function close(code: number, reason: string): void {
    socket.close(code, reason)
    setTimeout(() => socket.terminate(), closeTimeoutMs).unref()
  }

  function tick(): void {
    const nowMs = Date.now()
    const isStalled = untaken[0] !== undefined && nowMs - untaken[0] > stalledMs
    if (isStalled || socket.bufferedAmount > maxBufferedBytes) close(4408, 'resume')
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
      socket.on('message', (data) => {
        handle(String(data)).catch((error: unknown) => {
          log.error({ err: error, requestId: extra.requestId }, 'socket message failed')
          close(4500, 'Internal server error')
        })
      })
    }
    const closed = protocol.opened({ protocol: socket.protocol, send, close, onMessage }, extra)
    socket.once('close', (code, reason) => {
      closed(code, String(reason)).catch((error: unknown) => log.error({ err: error }, 'socket close failed'))
    })
  }

  return { run, close, tick, gone, isOpen: () => socket.readyState === socket.OPEN }
}
