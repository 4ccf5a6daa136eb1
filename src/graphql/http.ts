import type { IncomingMessage, ServerResponse } from 'node:http'
import { renderGraphiQL } from '@graphql-yoga/render-graphiql'
import { type ExecutionResult, GraphQLError, OperationTypeNode } from 'graphql'
import { createYoga, type Plugin } from 'graphql-yoga'
import type { Authenticator } from '../auth/authenticator.ts'
import type { Logger } from '../kernel/log.ts'
import { toClientError } from './client-error.ts'
import type { EventStream, EventStreams } from './event-streams.ts'
import { graphiqlOptions } from './graphiql.ts'
import { malformedRequest, type OperationRequest, type Operations } from './operations.ts'
import { badUserInput, requestError } from './request-error.ts'
import { RequestPieces } from './request-pieces.ts'

/** All documents and variables that are of use are far smaller. */
const maxRequestBodyBytes = 1_048_576

export const graphqlPath = '/graphql'

export interface HttpDeps {
  readonly operations: Operations
  readonly authenticator: Authenticator
  readonly streams: EventStreams
  readonly log: Logger
}

/** One request, its answer, and the id that both logs and the answer tell. */
export interface NodeExchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly requestId: string
}

/**
 * GraphQL over HTTP, with subscriptions as GraphQL over SSE, and GraphiQL for browsers. Yoga reads requests and writes
 * answers; what lies between is ours, the same as for sockets.
 *
 * Forged cross-site requests come to nothing: only the Authorization header authenticates, which a page of another
 * origin can set only when CORS allows it, and it never does.
 */
export function createHttpHandler(deps: HttpDeps): (exchange: NodeExchange) => Promise<void> {
  const yoga = createYoga<{ exchange: NodeExchange }>({
    graphqlEndpoint: graphqlPath,
    graphiql: graphiqlOptions,
    // The page comes whole from here: a gateway may run where there is no internet, and no other site's script sees keys.
    renderGraphiQL,
    landingPage: false,
    cors: false,
    multipart: false,
    batching: false,
    logging: false,
    parserAndValidationCache: false,
    maxRequestBodySize: maxRequestBodyBytes,
    maskedErrors: { maskError: (error) => withStatus(yogaError(error, deps.log)) },
    disposeOnProcessTerminate: false,
    plugins: [operationsPlugin(deps)],
  })
  return async (exchange) => {
    const { request, response, requestId } = exchange
    response.setHeader('x-request-id', requestId)
    response.setHeader('cache-control', 'no-store')
    response.setHeader('referrer-policy', 'no-referrer')
    response.setHeader('x-frame-options', 'DENY')
    await yoga(Object.assign(request, { body: new RequestPieces(request) }), response, { exchange })
  }
}

function operationsPlugin(deps: HttpDeps): Plugin<object, { exchange: NodeExchange }> {
  return {
    onRequestParse({ request, endResponse, fetchAPI }) {
      // The one media type of those that Yoga reads which HTML forms can send.
      if (!request.headers.get('content-type')?.startsWith('application/x-www-form-urlencoded')) return
      endResponse(new fetchAPI.Response(null, { status: 415 }))
    },
    onParams({ setParamsHandler }) {
      setParamsHandler(({ params, context }) => run(deps, params, context.exchange))
    },
  }
}

async function run(
  deps: HttpDeps,
  params: OperationRequest,
  { request, response, requestId }: NodeExchange,
): Promise<ExecutionResult | EventStream> {
  const { operations, authenticator, streams, log } = deps
  try {
    const viewer = await authenticator.authenticate(request.headers.authorization)
    const malformed = viewer === null ? null : malformedRequest(params)
    if (malformed !== null) return refused([malformed], { status: 400 })
    const prepared = operations.prepare(params, { viewer, requestId })
    if (!('kind' in prepared)) return refused(prepared)
    if (prepared.kind === OperationTypeNode.MUTATION && request.method !== 'POST') {
      const mutationByGet = requestError('BAD_USER_INPUT', 'Mutations need POST.')
      return refused([mutationByGet], { status: 405, headers: { allow: 'POST' } })
    }
    const result = await operations.execute(prepared)
    if (!('follow' in result)) return result
    // nginx would hold events back.
    response.setHeader('x-accel-buffering', 'no')
    return streams.open(result, { viewer: prepared.caller.viewer, response })
  } catch (error) {
    return refused([toClientError(error, { log, requestId })])
  }
}

function refused(errors: readonly GraphQLError[], http?: HttpAnswer): ExecutionResult {
  return { errors: errors.map((error) => withStatus(error, http)) }
}

// What Yoga itself refuses: bodies that are too large, are not JSON, or hold something else than a request.
function yogaError(error: unknown, log: Logger): GraphQLError {
  if (error instanceof SyntaxError)
    return withStatus(badUserInput('A parameter in the address is not JSON.'), { status: 400 })
  if (!(error instanceof GraphQLError)) return toClientError(error, { log, requestId: 'unknown' })
  const isTooLarge = error.extensions.code === 'REQUEST_ENTITY_TOO_LARGE'
  const shown = requestError(isTooLarge ? 'QUERY_TOO_LARGE' : 'BAD_USER_INPUT', error.message)
  shown.extensions.http = { status: 400, ...(error.extensions.http ?? {}), spec: false }
  return shown
}

/** How Yoga is told an answer's status. With `spec` it is 200 for clients that take nothing but `application/json`. */
interface HttpAnswer {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly spec?: boolean
}

const answers: Record<string, HttpAnswer> = {
  UNAUTHENTICATED: { status: 401, headers: { 'www-authenticate': 'Bearer' } },
  LIMIT_REACHED: { status: 429, headers: { 'retry-after': '10' } },
  UNAVAILABLE: { status: 503, headers: { 'retry-after': '1' } },
  INTERNAL_ERROR: { status: 500 },
}

function withStatus(error: GraphQLError, http = answers[String(error.extensions.code)]): GraphQLError {
  error.extensions.http ??= http ?? { status: 400, spec: true }
  return error
}
