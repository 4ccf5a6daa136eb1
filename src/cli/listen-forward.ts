import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { finished } from 'node:stream/promises'
import { urlToHttpOptions } from 'node:url'
import { reasonOf } from './gateway-api.ts'
import type { ListenedMessage } from './listen-documents.ts'

/** What became of a message that was sent on. */
export interface ForwardResult {
  /** Null when there was no answer. */
  readonly status: number | null
  /** Why there is no whole answer; null when there is one, whatever its status. */
  readonly error: string | null
  readonly durationMs: number
}

const timeoutMs = 30_000

/**
 * Sends a message to a server as it came: method, what followed the source's address, header fields in their order and
 * spelling, and the bytes, so that signatures still hold. Left out is what belongs to the connection that it came on, and
 * what the gateway does not keep.
 *
 * @param signal gives the request up.
 * @returns whatever happens: a server that is not there is an outcome.
 */
export async function forward(message: ListenedMessage, target: URL, signal: AbortSignal): Promise<ForwardResult> {
  const beganMs = performance.now()
  let status: number | null = null
  const result = (error: string | null) => ({ status, error, durationMs: Math.round(performance.now() - beganMs) })
  const path = pathOf(message, target)
  if (path === null) return result('not sent: its path leads out of the forward address')
  const timeout = AbortSignal.timeout(timeoutMs)
  try {
    await send({ message, target, path, signal: AbortSignal.any([signal, timeout]) }, (answered) => {
      status = answered
    })
    return result(null)
  } catch (error) {
    if (timeout.aborted) return result(`timed out after ${timeoutMs / 1_000} s`)
    return result(signal.aborted ? 'given up' : reasonOf(error))
  }
}

/** The target's path with what followed the source's address, unchanged; null when it would lead elsewhere. */
export function pathOf({ path, query }: Pick<ListenedMessage, 'path' | 'query'>, target: URL): string | null {
  const base = target.pathname.replace(/\/$/, '')
  const joined = path === null ? target.pathname : `${base}${path}`
  // Servers resolve `..` in their own ways; the sender must not choose among what else listens there.
  const resolved = new URL(target)
  resolved.pathname = joined
  if (resolved.pathname !== target.pathname && !resolved.pathname.startsWith(`${base}/`)) return null
  const queries = [target.search.slice(1), query ?? ''].filter((part) => part !== '')
  return queries.length === 0 ? joined : `${joined}?${queries.join('&')}`
}

/** What belongs to one connection, or is set anew for the next. */
const connectionHeaders = new Set(
  `connection content-length expect host http2-settings keep-alive proxy-authenticate proxy-authorization
  proxy-connection te trailer transfer-encoding upgrade hookline-message-id`.split(/\s+/),
)

/** What stands for a credential that the gateway checked and did not keep. */
export const redacted = '[redacted]'

/** Names and values in turn, as node:http writes them unchanged. */
export function headersOf(message: Pick<ListenedMessage, 'headers' | 'id' | 'method'>, target: URL, bodyBytes: number) {
  const named = message.headers
    .filter(({ name }) => name.toLowerCase() === 'connection')
    .flatMap(({ value }) => value.split(',').map((option) => option.trim().toLowerCase()))
  const isKept = ({ name, value }: { name: string; value: string }) =>
    !connectionHeaders.has(name.toLowerCase()) && !named.includes(name.toLowerCase()) && value !== redacted
  const isBodyExpected = bodyBytes > 0 || ['POST', 'PUT', 'PATCH'].includes(message.method)
  return [
    ...['Host', target.host],
    ...message.headers.filter(isKept).flatMap(({ name, value }) => [name, value]),
    ...(isBodyExpected ? ['Content-Length', String(bodyBytes)] : []),
    ...['Hookline-Message-Id', message.id],
  ]
}

interface Sending {
  readonly message: ListenedMessage
  readonly target: URL
  readonly path: string
  readonly signal: AbortSignal
}

/** Resolves when the answer, whose body nobody needs, has come to its end. */
async function send({ message, target, path, signal }: Sending, onStatus: (status: number) => void): Promise<void> {
  const body = Buffer.from(message.body, 'base64')
  const { hostname, port } = urlToHttpOptions(target)
  const request = target.protocol === 'https:' ? requestHttps : requestHttp
  await new Promise<void>((resolve, reject) => {
    const sent = request({
      hostname,
      port,
      path,
      method: message.method,
      headers: headersOf(message, target, body.length),
      // A connection for each: a kept one may be closed by the server in the moment in which it is used again.
      agent: false,
      signal,
    })
    sent.on('error', reject)
    sent.on('response', (response) => {
      onStatus(response.statusCode ?? 0)
      finished(response.resume()).then(resolve, reject)
    })
    sent.end(body)
  })
}
