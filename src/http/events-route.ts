import type { EventIngress, EventsAnswer } from '../ingress/index.ts'
import { decoded, sendAnswer } from './ingress-route.ts'
import { sendJson } from './problem.ts'
import type { Exchange, Route } from './route.ts'

/** `POST /events/<source>`, and `OPTIONS` for senders that ask first. The answer is sent after the commit. */
export function eventsRoute(events: EventIngress): Route {
  return {
    template: '/events/:source',
    methods: ['POST', 'OPTIONS'],
    async handle(exchange) {
      const { request, params, query, remoteAddress, note } = exchange
      const { method = '', headers, rawHeaders } = request
      const source = decoded(params.source ?? '')
      send(
        exchange,
        await events.receive({ source, method, query, headers, rawHeaders, remoteAddress, body: request, note }),
      )
    },
  }
}

function send(exchange: Exchange, answer: EventsAnswer | null): void {
  if (answer?.kind !== 'published') {
    sendAnswer(exchange, answer)
    return
  }
  const receipts = answer.events.map(({ id, sequence, isDuplicate }) => ({ id, sequence, duplicate: isDuplicate }))
  const replay = answer.isReplay ? { 'idempotent-replayed': 'true' } : {}
  // The query may hold the key.
  const headers = { 'referrer-policy': 'no-referrer', 'cache-control': 'no-store', ...answer.headers, ...replay }
  sendJson(exchange, 202, answer.isList ? { events: receipts } : receipts[0], headers)
}
