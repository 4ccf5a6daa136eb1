import type { IncomingMessage, ServerResponse } from 'node:http'
import { newId } from '../kernel/ids.ts'
import type { Logger } from '../kernel/log.ts'
import type { ClientAddressOf } from './client-address.ts'
import type { HttpMetrics } from './metrics.ts'
import type { Problem } from './problem.ts'
import type { Exchange } from './route.ts'
import type { RouteMatch, Router } from './router.ts'

export interface OpenExchange {
  readonly exchange: Exchange
  readonly match: RouteMatch
  /** The answer went to the socket past the response: the log line tells this status instead. */
  refusedWith(problem: Problem): void
}

export interface ExchangeDependencies {
  readonly router: Router
  readonly clientAddressOf: ClientAddressOf
  readonly log: Logger
  readonly metrics: HttpMetrics
}

// Asked for every few seconds by machines: nobody reads those lines.
const quietTemplates: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics'])

/** Opens the exchange of one request. Its log line and metrics are written when the response closes, in whatever way. */
export function openExchange(
  { router, clientAddressOf, log, metrics }: ExchangeDependencies,
  request: IncomingMessage,
  response: ServerResponse,
): OpenExchange {
  const startedMs = performance.now()
  const requestId = newId('req')
  const method = request.method ?? ''
  const { path, query } = splitTarget(request.url ?? '/')
  const match = router(method, path)
  const route = templateOf(match)
  const noted: Record<string, unknown> = {}
  const remoteAddress = clientAddressOf(request)
  let refusal: Problem | undefined

  response.once('close', () => {
    const isAnswered = response.writableFinished || refusal !== undefined
    const status = refusal?.status ?? response.statusCode
    const outcome = isAnswered ? 'answered' : 'aborted'
    const durationMs = Math.round((performance.now() - startedMs) * 10) / 10
    metrics.observe({ route, method, status: isAnswered ? String(status) : outcome }, durationMs)
    log[levelOf(route, isAnswered ? status : 0)](
      { requestId, method, route, status, outcome, durationMs, remoteAddress, ...noted },
      'request',
    )
  })

  const exchange: Exchange = {
    request,
    response,
    params: match.kind === 'found' ? match.params : {},
    rest: match.kind === 'found' ? match.rest : '',
    path,
    query,
    requestId,
    remoteAddress,
    note: (fields) => void Object.assign(noted, fields),
  }
  return {
    exchange,
    match,
    refusedWith(problem) {
      refusal = problem
      exchange.note({ code: problem.code })
    },
  }
}

// Not by `new URL`: it would normalise the path, and read `//host/path` as another host.
function splitTarget(target: string): { path: string; query: string | null } {
  // The absolute form, which clients send to proxies, must be understood by every server (RFC 9112, 3.2.2).
  const origin = target.startsWith('/') ? null : /^https?:\/\/[^/?]*/i.exec(target)
  const local = origin === null ? target : target.slice(origin[0].length)
  const mark = local.indexOf('?')
  const path = mark === -1 ? local : local.slice(0, mark)
  return { path: path === '' ? '/' : path, query: mark === -1 ? null : local.slice(mark + 1) }
}

function templateOf(match: RouteMatch): string {
  switch (match.kind) {
    case 'found':
      return match.route.template
    case 'wrong-method':
      return match.template
    case 'unknown':
      return '(unknown)'
  }
}

function levelOf(route: string, status: number): 'error' | 'info' | 'debug' {
  if (quietTemplates.has(route)) return 'debug'
  return status >= 500 && status !== 503 ? 'error' : 'info'
}
