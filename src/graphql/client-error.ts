import { GraphQLError } from 'graphql'
import type { Logger } from 'pino'
import { isDatabaseAway } from '../db/is-database-away.ts'
import { CodedError } from '../kernel/coded-error.ts'
import { badUserInput, requestError, unavailable } from './request-error.ts'

const retryAfterMs = 1_000

/**
 * Turns whatever an execution failed with into what the caller is shown. A request error passes as it is; an error of
 * graphql-js itself (syntax, validation, variables) is the caller's, BAD_USER_INPUT; a database that is away is
 * UNAVAILABLE; of a CodedError the public part is shown; all else is masked, and logged once under the request's id.
 */
export function toClientError(error: unknown, { log, requestId }: { log: Logger; requestId: string }): GraphQLError {
  const original = originalOf(error)
  if (original instanceof GraphQLError && !isOfValueGiven(original, error)) {
    const shown = original.extensions.code === undefined ? badUserInput(original.message) : original
    return located(shown, error)
  }
  if (isDatabaseAway(original)) {
    log.warn({ requestId, err: original }, 'database unavailable')
    return located(unavailable(retryAfterMs), error)
  }
  if (original instanceof CodedError) {
    log.info({ requestId, err: original }, 'request refused')
    return located(new GraphQLError(original.publicMessage, { extensions: { code: original.code } }), error)
  }
  log.error({ requestId, err: original }, 'request failed')
  return located(
    requestError('INTERNAL_ERROR', `Something failed here; the log tells more of request ${requestId}.`),
    error,
  )
}

/**
 * Whether graphql-js refused what a resolver gave, such as a value that an enum lacks. What it refuses of the caller's
 * has a node in the document, or stops the operation before any field.
 */
function isOfValueGiven(original: GraphQLError, error: unknown): boolean {
  if (original.extensions.code !== undefined || original.nodes !== undefined) return false
  return error instanceof GraphQLError && error.path !== undefined
}

// graphql-js wraps what a resolver threw, also when it threw a GraphQLError.
function originalOf(error: unknown): unknown {
  let original = error
  while (original instanceof GraphQLError && original.originalError) original = original.originalError
  return original
}

function located(shown: GraphQLError, error: unknown): GraphQLError {
  if (!(error instanceof GraphQLError)) return shown
  const place = error.path ? { path: error.path } : {}
  return new GraphQLError(shown.message, {
    ...place,
    nodes: error.nodes ?? null,
    source: error.source ?? null,
    positions: error.positions ?? null,
    extensions: shown.extensions,
  })
}
