import type { IncomingMessage } from 'node:http'
import { isDatabaseAway } from '../db/is-database-away.ts'
import { CodedError } from '../kernel/coded-error.ts'
import { parseJson, textOf } from '../kernel/json.ts'
import type { PlainAnswer, PlainListeners } from '../listeners/index.ts'
import { decoded } from './ingress-route.ts'
import { sendJson, sendProblem } from './problem.ts'
import type { Exchange, Route } from './route.ts'

/** `GET /listeners/<name>/messages?first=100` and `POST /listeners/<name>/acknowledge`, for clients without GraphQL. */
export function listenerRoutes(listeners: PlainListeners): Route[] {
  return [
    {
      template: '/listeners/:name/messages',
      methods: ['GET'],
      handle: (exchange) =>
        answerWith(exchange, () => listeners.messages(requestOf(exchange), parameter(exchange, 'first'))),
    },
    {
      template: '/listeners/:name/acknowledge',
      methods: ['POST'],
      async handle(exchange) {
        const body = await readJson(exchange.request)
        await answerWith(exchange, () => listeners.acknowledge(requestOf(exchange), body))
      },
    },
  ]
}

function requestOf({ request, params }: Exchange) {
  return { authorization: request.headers.authorization, name: decoded(params.name ?? '') }
}

function parameter({ query }: Exchange, name: string): string | null {
  return query === null ? null : new URLSearchParams(query).get(name)
}

async function answerWith(exchange: Exchange, ask: () => Promise<PlainAnswer>): Promise<void> {
  const answer = await ask().catch((error: unknown) => {
    if (!isDatabaseAway(error)) throw error
    throw new CodedError('DATABASE_UNAVAILABLE', 'The database does not answer; ask again.', { cause: error })
  })
  if (answer.kind === 'answered') {
    const { viewer, listener, body } = answer
    exchange.note({ keyId: viewer.keyId, projectId: viewer.projectId, listenerId: listener.id })
    sendJson(exchange, 200, body, { 'cache-control': 'no-store' })
    return
  }
  const { status, code, detail } = answer
  exchange.note({ code })
  const headers = status === 401 ? { 'www-authenticate': 'Bearer' } : {}
  sendProblem(exchange, { status, code, detail, headers })
}

/** A cursor and a lease take some hundred bytes. */
const maxBodyBytes = 16_384

/** @returns undefined for what is not JSON. */
async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  // The stream is not destroyed by what is thrown here: its connection carries the answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxBodyBytes) throw new CodedError('PAYLOAD_TOO_LARGE', `The body is over ${maxBodyBytes} bytes.`)
    chunks.push(chunk)
  }
  const text = textOf(Buffer.concat(chunks))
  return text === null ? undefined : parseJson(text)
}
