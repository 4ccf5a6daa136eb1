import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { createClient } from 'graphql-ws'
import WebSocket from 'ws'
import { reasonOf } from './gateway-api.ts'
import type { ListenEvent } from './listen-documents.ts'
import type { Login } from './login-credentials.ts'

/** Why a connection gave no more events. */
export type ConnectionEnd =
  /** The gateway ended the stream, as it does before it stops; or the socket was lost. */
  | { readonly kind: 'lost'; readonly reason: string }
  /** The gateway takes the key no more, or the key has lost rights. */
  | { readonly kind: 'key-refused'; readonly reason: string }
  /** The gateway refused the subscription. */
  | { readonly kind: 'refused'; readonly code: string; readonly reason: string }

export interface Subscription {
  readonly query: string
  readonly variables: Record<string, unknown>
}

export interface ConnectionHooks {
  /** @param bytes the size of its frame, about. */
  onEvent(event: ListenEvent, bytes: number): void
  /** Called once; nothing comes after it. */
  onEnd(end: ConnectionEnd): void
}

export interface Connection {
  /** Cuts the socket; `onEnd` may still be called. */
  close(): void
}

const handshakeTimeoutMs = 10_000
const pingMs = 3_000
/** A gateway that sends nothing for three looks, not even the answer to a ping, is not there. */
const lookMs = 3_000
const quietLooks = 3
/** A body of 32 MiB takes a third more in base64. */
const maxFrameBytes = 256 * 1024 * 1024
const keyRefusedCodes = [4401, 4403]

/**
 * One socket with one subscription. It never connects again by itself: whoever does has to go on after the last event
 * that was dealt with, which only the reader knows.
 *
 * A dead socket is found by its silence: pings make a gateway that is there say something. Looks are counted rather than
 * time, so that a machine that slept gives the socket time to prove itself; and bytes rather than frames, so that a large
 * frame on a slow line is no silence.
 */
export function openConnection(login: Login, request: Subscription, hooks: ConnectionHooks): Connection {
  let isOver = false
  let socket: GatewaySocket | null = null

  const client = createClient({
    url: `${login.url.replace(/^http/i, 'ws')}/graphql`,
    webSocketImpl: GatewaySocket,
    connectionParams: { authorization: `Bearer ${login.key}` },
    keepAlive: pingMs,
    retryAttempts: 0,
    on: {
      // The same that it was given as implementation, which its types do not tell.
      opened: (opened) => {
        socket = opened as GatewaySocket
      },
      // It takes a normal closure for a reason to send the same subscription again, which would begin at the same place.
      closed: (event) => {
        end(endOf(event))
        Promise.resolve(client.dispose()).catch(() => undefined)
      },
    },
  })
  const watch = watchSilence(
    () => socket?.receivedBytes() ?? 0,
    () => {
      end({ kind: 'lost', reason: 'the gateway is silent' })
      cut()
    },
  )

  function end(reason: ConnectionEnd): void {
    if (isOver) return
    isOver = true
    watch.stop()
    hooks.onEnd(reason)
  }

  function cut(): void {
    isOver = true
    watch.stop()
    client.terminate()
    socket?.terminate()
  }

  client.subscribe<{ messageReceived: ListenEvent }>(request, {
    next({ data, errors }) {
      if (isOver) return
      if (errors?.[0] !== undefined) return end(refusalOf(errors))
      if (data?.messageReceived !== undefined) hooks.onEvent(data.messageReceived, sizeOf(data.messageReceived))
    },
    error: (error) => end(Array.isArray(error) ? refusalOf(error) : endOf(error)),
    complete: () => end({ kind: 'lost', reason: 'the gateway ended the stream' }),
  })
  return { close: cut }
}

/** The WebSocket of `ws`, whose bytes can be counted. */
class GatewaySocket extends WebSocket {
  #stream: Socket | null = null

  constructor(address: string, protocols: string | string[]) {
    super(address, protocols, { handshakeTimeout: handshakeTimeoutMs, maxPayload: maxFrameBytes })
    // graphql-ws stops listening when it gives a socket up, which may fail afterwards.
    this.on('error', () => undefined)
    this.on('upgrade', (response: IncomingMessage) => {
      this.#stream = response.socket
    })
  }

  receivedBytes(): number {
    return this.#stream?.bytesRead ?? 0
  }
}

/** Calls back once when `count` does not move for too long. */
function watchSilence(count: () => number, onSilence: () => void): { stop(): void } {
  let last = -1
  let looks = 0
  const timer = setInterval(() => {
    const now = count()
    looks = now === last ? looks + 1 : 0
    last = now
    if (looks >= quietLooks) onSilence()
  }, lookMs)
  return { stop: () => clearInterval(timer) }
}

function sizeOf(event: ListenEvent): number {
  return event.__typename === 'MessageReceived' ? event.message.body.length + 1_000 : 100
}

/** @param reason a closed socket's event, one of a socket that failed, or an error. */
function endOf(reason: unknown): ConnectionEnd {
  if (typeof reason !== 'object' || reason === null) return { kind: 'lost', reason: String(reason) }
  if ('code' in reason && typeof reason.code === 'number') {
    if (keyRefusedCodes.includes(reason.code))
      return { kind: 'key-refused', reason: 'the key has ended or lost rights' }
    const said = 'reason' in reason && reason.reason !== '' ? ` ${String(reason.reason)}` : ''
    return { kind: 'lost', reason: `closed with ${reason.code}${said}` }
  }
  const error = 'error' in reason ? reason.error : reason
  return { kind: 'lost', reason: error instanceof Error ? reasonOf(error) : 'the connection failed' }
}

function refusalOf(errors: readonly unknown[]): ConnectionEnd {
  const [first] = errors as readonly { message?: unknown; extensions?: { code?: unknown } }[]
  return {
    kind: 'refused',
    code: String(first?.extensions?.code ?? ''),
    reason: String(first?.message ?? 'The gateway refused the subscription.'),
  }
}
