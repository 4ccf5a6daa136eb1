import type { Ingress, IngressAnswer } from '../ingress/index.ts'
import { sendJson, sendProblem } from './problem.ts'
import type { Exchange, Route } from './route.ts'

// The address holds the secret: it must not reach another site as referrer, nor stay in a cache.
const secretAddressHeaders = { 'referrer-policy': 'no-referrer', 'cache-control': 'no-store' }

/** `ANY /in/<token>`, with whatever path behind it. The answer to an accepted request is sent after its commit. */
export function ingressRoute(ingress: Ingress): Route {
  return {
    template: '/in/:token/*',
    methods: 'any',
    async handle(exchange) {
      const answer = await ingress.receive({
        token: exchange.params.token ?? '',
        method: exchange.request.method ?? '',
        path: exchange.rest === '' ? null : exchange.rest,
        query: exchange.query,
        headers: exchange.request.headers,
        rawHeaders: exchange.request.rawHeaders,
        remoteAddress: exchange.remoteAddress,
        body: exchange.request,
        note: exchange.note,
      })
      send(exchange, answer)
    },
  }
}

function send(exchange: Exchange, answer: IngressAnswer | null): void {
  if (answer === null) {
    exchange.response.destroy()
    return
  }
  if (answer.kind === 'accepted') {
    const { id, sequence, isDuplicate } = answer
    sendJson(exchange, 202, { id, sequence, duplicate: isDuplicate }, secretAddressHeaders)
    return
  }
  exchange.note({ code: answer.code })
  const { kind: _, headers, ...problem } = answer
  sendProblem(exchange, { ...problem, headers: { ...secretAddressHeaders, ...headers } })
}
