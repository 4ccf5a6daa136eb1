import type { OriginCheck } from '../kernel/origins.ts'
import { unreachable } from '../kernel/unreachable.ts'
import type { MessageStream, MessageStreams, OpenedStream, StreamEnd } from '../streams/index.ts'
import { type EventStreamWriter, openEventStream } from './event-stream-writer.ts'
import { type Problem, sendProblem } from './problem.ts'
import type { Exchange, Route } from './route.ts'
import { parseStreamQuery } from './stream-query.ts'

export interface StreamRouteOptions {
  readonly streams: Pick<MessageStreams, 'open'>
  readonly isAllowedOrigin: OriginCheck
  /** A reader that takes nothing for this long is cut off; it may come back and go on. Default 30,000. */
  readonly stalledMs?: number
  /** How often a quiet stream shows that it lives. Default 15,000: proxies cut what is silent for a minute. */
  readonly heartbeatMs?: number
}

/** How long a reader waits before it comes again. */
const retryMs = 2_000

/**
 * `GET /stream`: messages as server-sent events, for EventSource and curl. An event's `id` names the place after it in all
 * sources of the stream; `Last-Event-ID` or `after` go on from there.
 */
export function streamRoute(options: StreamRouteOptions): Route {
  return {
    template: '/stream',
    methods: ['GET', 'OPTIONS'],
    async handle(exchange) {
      const { request, response, query, requestId } = exchange
      if (!options.isAllowedOrigin(request.headers)) return refuse(exchange, {}, originNotAllowed)
      const cors = corsHeaders(request.headers.origin)
      if (request.method === 'OPTIONS') {
        response.writeHead(204, { ...preflightHeaders, ...cors, 'x-request-id': requestId }).end()
        return
      }
      if (request.method === 'HEAD') return refuse(exchange, cors, noHead)
      const asked = parseStreamQuery(query, request.headers)
      if ('code' in asked) return refuse(exchange, cors, asked)
      const opening = await options.streams.open(asked)
      if (opening.kind === 'refused') return refuse(exchange, cors, { ...opening, headers: headersOf(opening.status) })
      await serve(options, exchange, { ...opening, cors })
    },
  }
}

async function serve(
  { stalledMs = 30_000, heartbeatMs = 15_000 }: StreamRouteOptions,
  { response, requestId, note }: Exchange,
  { stream, viewer, sourceIds, cors }: OpenedStream & { readonly cors: Record<string, string> },
): Promise<void> {
  if (response.destroyed) return stream.end('left')
  const { keyId, projectId } = viewer
  note({ keyId, projectId, sources: sourceIds.length })
  const tally = { events: 0, endedBy: 'left' as StreamEnd | 'stalled' }
  // In front of the listener that writes the log line.
  response.prependOnceListener('close', () => {
    stream.end('left')
    note({ ...tally, ...(writer.isStalled ? { endedBy: 'stalled' } : {}) })
  })
  const headers = Object.entries({ ...cors, 'x-request-id': requestId }).flat()
  const writer = openEventStream(response, { headers, stalledMs, heartbeatMs, ended: stream.ended })
  // Without data it is no event; who leaves before the first one comes back to the same place.
  writer.tell(`retry: ${retryMs}${stream.beginId === null ? '' : `\nid: ${stream.beginId}`}`)
  tally.endedBy = await pump(stream, writer, tally)
  if (tally.endedBy !== 'left') writer.end(lastLines(tally.endedBy))
}

async function pump(stream: MessageStream, writer: EventStreamWriter, tally: { events: number }): Promise<StreamEnd> {
  for (;;) {
    const next = await stream.next()
    if (typeof next === 'string') return next
    const { kind, id, data } = next
    await writer.send({ event: kind, id, data })
    tally.events += 1
  }
}

/** What a reader is told last. */
function lastLines(end: Exclude<StreamEnd, 'left'>): string {
  switch (end) {
    case 'stopping':
      // Not all at once, so that they do not meet at the process that is still there.
      return `retry: ${Math.round(retryMs * (0.5 + Math.random()))}`
    case 'key-ended':
      return ending('UNAUTHENTICATED', 'The key was revoked or has expired.')
    case 'key-narrowed':
      return ending('FORBIDDEN', 'The key has lost rights: it may listen to fewer sources.')
    case 'source-gone':
      return ending('NOT_FOUND', 'A source of this stream was deleted.')
    default:
      return unreachable(end)
  }
}

function ending(code: string, detail: string): string {
  return `event: end\ndata: ${JSON.stringify({ code, detail })}`
}

function refuse(exchange: Exchange, cors: Record<string, string>, problem: Problem): void {
  exchange.note({ code: problem.code })
  sendProblem(exchange, { ...problem, headers: { ...cors, ...problem.headers } })
}

function headersOf(status: number): Record<string, string> {
  if (status === 401) return { 'www-authenticate': 'Bearer' }
  return status === 429 ? { 'retry-after': '10' } : {}
}

/** @param origin of a page that is allowed. */
function corsHeaders(origin = ''): Record<string, string> {
  return { vary: 'origin', ...(origin === '' ? {} : { 'access-control-allow-origin': origin }) }
}

const preflightHeaders = {
  'access-control-allow-methods': 'GET',
  'access-control-allow-headers': 'authorization, last-event-id, cache-control',
  'access-control-max-age': '600',
}

const originNotAllowed: Problem = {
  status: 403,
  code: 'ORIGIN_NOT_ALLOWED',
  detail: 'Pages of this origin may not stream. ALLOWED_ORIGINS of the gateway lists those that may.',
}

const noHead: Problem = {
  status: 405,
  code: 'METHOD_NOT_ALLOWED',
  detail: 'A stream has no head alone; possible is: GET.',
  headers: { allow: 'GET' },
}
