import type { Socket } from 'node:net'
import type { Server } from 'graphql-ws'
import type { WebSocket } from 'ws'
import type { Logger } from '../kernel/log.ts'
import { clientMessages } from './socket-messages.ts'
import { type Outbox, openOutbox } from './socket-outbox.ts'
import type { SocketExtra } from './websocket.ts'

/** More than several of the largest frames; a client that leaves so much untaken does not read. */
const maxBufferedBytes = 128 * 1024 * 1024
/** While a client leaves more than this, what it sends is not read either: answers to it would pile up. */
const maxUntakenBytes = 1024 * 1024
/** The same while so many of its messages are being handled: more than may run, so that the others end by themselves. */
const maxHandled = 256
/** Time for a client to answer the close frame, or a frame that was sent before it. */
const closeTimeoutMs = 2_000
const pingMs = 15_000
/** How often a connection is to be looked after. */
export const tickMs = 1_000

/** One WebSocket, between the frames of `ws` and the protocol of graphql-ws. */
export interface Connection {
  /** Speaks the protocol until the socket is gone. */
  run(protocol: Server<SocketExtra>, extra: SocketExtra): void
  readonly sendResult: Outbox['sendResult']
  close(code: number, reason: string): void
  /** Resolves when the socket is gone. */
  readonly gone: Promise<void>
  isOpen(): boolean
  /** Looks after the socket; called once each `tickMs`. */
  tick(): void
}

export interface ConnectionOptions {
  readonly socket: WebSocket
  /** What it runs over. */
  readonly transport: Socket
  readonly stalledMs: number
  readonly log: Logger
}

/**
 * No more events are asked for while a client leaves what it was sent, so a slow client slows its own subscriptions. One
 * that takes nothing at all, or answers no ping, is cut off; one that takes a large frame slowly is not.
 */
export function openConnection({ socket, transport, stalledMs, log }: ConnectionOptions): Connection {
  const outbox = openOutbox(socket, transport)
  let lastPingMs = Date.now()
  let isAnswered = true
  let takenBytes = 0
  /** Ticks since the client was seen to take something. Not by the clock: while the process is held up, nobody can. */
  let idleTicks = 0
  let handledCount = 0
  const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()))

  function close(code: number, reason: string): void {
    socket.close(code, reason)
    // To hear the client's own close frame.
    socket.resume()
    setTimeout(() => socket.terminate(), closeTimeoutMs).unref()
  }

  function tick(): void {
    listenAgain()
    const nowMs = Date.now()
    const waitingBytes = outbox.waitingBytes()
    const hasTaken = waitingBytes === 0 || outbox.takenBytes() !== takenBytes
    const hasLeft = waitingBytes > 0 || idleTicks > 0
    idleTicks = hasTaken ? 0 : idleTicks + 1
    if (hasTaken && hasLeft) {
      takenBytes = outbox.takenBytes()
      // The client is there, however late it answers a ping that waits behind a large frame.
      isAnswered = true
    }
    if (idleTicks * tickMs > stalledMs || waitingBytes > maxBufferedBytes) close(4408, 'resume')
    // A ping would wait behind what the client has not taken: such a client is judged by what it takes.
    else if (waitingBytes === 0 && !socket.isPaused && nowMs - lastPingMs >= pingMs) ping(nowMs)
  }

  function ping(nowMs: number): void {
    if (!isAnswered) socket.terminate()
    else if (isOpen()) socket.ping()
    lastPingMs = nowMs
    isAnswered = false
  }

  function isOpen(): boolean {
    return socket.readyState === socket.OPEN
  }

  function isBehind(): boolean {
    return isOpen() && (handledCount > maxHandled || outbox.waitingBytes() > maxUntakenBytes)
  }

  function listenAgain(): void {
    if (socket.isPaused && !isBehind()) socket.resume()
  }

  function run(protocol: Server<SocketExtra>, extra: SocketExtra): void {
    socket.on('error', (error) => log.debug({ err: error, requestId: extra.requestId }, 'socket failed'))
    socket.on('pong', () => {
      isAnswered = true
    })
    transport.on('drain', listenAgain)
    const onMessage = (handle: (data: string) => Promise<void>) => {
      // What had to wait until the socket was gone would run for nobody, without an end.
      const handleWhileOpen = async (text: string) => (isOpen() ? await handle(text) : undefined)
      const take = clientMessages(handleWhileOpen, () => close(4400, 'Invalid message received'))
      socket.on('message', (data) => {
        handledCount += 1
        void take(String(data)).catch(failed).finally(handled)
        if (isBehind()) socket.pause()
      })
    }
    function failed(error: unknown): void {
      log.error({ err: error, requestId: extra.requestId }, 'socket message failed')
      close(4500, 'Internal server error')
    }
    function handled(): void {
      handledCount -= 1
      listenAgain()
    }
    const closed = protocol.opened(
      { protocol: socket.protocol, send: async (text) => void (await outbox.sendText(text)), close, onMessage },
      extra,
    )
    socket.once('close', (code, reason) => {
      closed(code, String(reason)).catch((error: unknown) => log.error({ err: error }, 'socket close failed'))
    })
  }

  return {
    run,
    sendResult: outbox.sendResult,
    close,
    tick,
    gone,
    isOpen,
  }
}
