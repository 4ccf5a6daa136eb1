import { GraphQLError } from 'graphql'

/** The codes in `errors[].extensions.code`: failures of a request as a whole, or of a field's authorisation. */
export type RequestErrorCode =
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  | 'BAD_USER_INPUT'
  | 'CURSOR_EXPIRED'
  | 'QUERY_TOO_LARGE'
  | 'LIMIT_REACHED'
  | 'UNAVAILABLE'
  | 'INTERNAL_ERROR'

/** An error that reaches the caller as it is: `message` is public. */
export function requestError(code: RequestErrorCode, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code } })
}

export function unauthenticated(): GraphQLError {
  return requestError(
    'UNAUTHENTICATED',
    'An API key is needed: send `Authorization: Bearer hk_…` with a key that holds.',
  )
}

export function badUserInput(message: string): GraphQLError {
  return requestError('BAD_USER_INPUT', message)
}

/** @param retryAfterMs when the caller may try again. */
export function unavailable(retryAfterMs: number): GraphQLError {
  return new GraphQLError('The database cannot be reached at the moment.', {
    extensions: { code: 'UNAVAILABLE' satisfies RequestErrorCode, retryAfterMs },
  })
}
