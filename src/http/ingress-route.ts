import type { AcceptedAnswer, Ingress, IngressAddress, IngressAnswer } from '../ingress/index.ts'
import { sendJson, sendProblem } from './problem.ts'
import type { Exchange, Route } from './route.ts'

// The address may hold the secret: it must not reach another site as referrer, nor stay in a cache.
const secretAddressHeaders = { 'referrer-policy': 'no-referrer', 'cache-control': 'no-store' }

/**
 * `ANY /in/<token>` and `ANY /q/<project>/<source>`, with whatever path behind them. The answer to an accepted request is
 * sent after its commit.
 */
export function ingressRoutes(ingress: Ingress): Route[] {
  return [
    {
      template: '/in/:token/*',
      methods: 'any',
      handle: (exchange) => receive(ingress, exchange, { kind: 'token', token: exchange.params.token ?? '' }),
    },
    {
      template: '/q/:project/:source/*',
      methods: 'any',
      handle: (exchange) => receive(ingress, exchange, queueOf(exchange.params)),
    },
  ]
}

function queueOf({ project = '', source = '' }: Exchange['params']): IngressAddress {
  return { kind: 'queue', project: decoded(project), source: decoded(source) }
}

/** What is no percent-encoding stays as it is, and is then nobody's name. */
export function decoded(segment: string): string {
  try {
    return segment.includes('%') ? decodeURIComponent(segment) : segment
  } catch {
    return segment
  }
}

async function receive(ingress: Ingress, exchange: Exchange, address: IngressAddress): Promise<void> {
  const { request, path, query, rest } = exchange
  const answer = await ingress.receive({
    address,
    method: request.method ?? '',
    target: query === null ? path : `${path}?${query}`,
    path: rest === '' ? null : rest,
    query,
    headers: request.headers,
    rawHeaders: request.rawHeaders,
    remoteAddress: exchange.remoteAddress,
    body: request,
    note: exchange.note,
  })
  sendAnswer(exchange, answer)
}

export function sendAnswer(exchange: Exchange, answer: IngressAnswer | null): void {
  if (answer === null) {
    exchange.response.destroy()
    return
  }
  switch (answer.kind) {
    case 'accepted':
      sendAccepted(exchange, answer)
      return
    case 'answered': {
      exchange.note({ isHandshake: true })
      const { status, headers, body } = answer
      sendText(exchange, status, body, Object.entries({ ...secretAddressHeaders, ...headers }))
      return
    }
    default: {
      exchange.note({ code: answer.code })
      const { kind: _, headers, ...problem } = answer
      sendProblem(exchange, { ...problem, headers: { ...secretAddressHeaders, ...headers } })
    }
  }
}

function sendAccepted(exchange: Exchange, answer: AcceptedAnswer): void {
  const { id, sequence, isDuplicate, isReplay, response } = answer
  const replay = isReplay ? { 'idempotent-replayed': 'true' } : {}
  const headers = { ...secretAddressHeaders, ...answer.headers, ...replay }
  if (response === null) {
    sendJson(exchange, 202, { id, sequence, duplicate: isDuplicate }, headers)
    return
  }
  const chosen = new Set(response.headers.map(([name]) => name.toLowerCase()))
  const ours = Object.entries({ ...chosenAnswerHeaders, ...headers }).filter(([name]) => !chosen.has(name))
  sendText(exchange, response.status, response.body, [...ours, ...response.headers])
}

// What a source's owner has senders told is no page of this site: scripts in it must not run as ours.
const chosenAnswerHeaders = {
  'content-type': 'text/plain; charset=utf-8',
  'content-security-policy': "default-src 'none'; sandbox",
  'x-content-type-options': 'nosniff',
}

/** Flat and all at once: see `sendJson`. */
function sendText(
  { response, requestId }: Exchange,
  status: number,
  body: string,
  headers: readonly (readonly [name: string, value: string])[],
): void {
  // A 204 announces no length.
  const length = status === 204 ? [] : ['content-length', String(Buffer.byteLength(body))]
  response.writeHead(status, [...headers.flat(), 'x-request-id', requestId, ...length])
  response.end(body)
}
