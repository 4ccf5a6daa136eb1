/** What is wrong with an input, for programs. The same words as the GraphQL enum `ErrorCode`. */
export type ErrorCode =
  | 'REQUIRED'
  | 'MALFORMED'
  | 'OUT_OF_RANGE'
  | 'URL_REFUSED'
  | 'SCHEMA_VIOLATED'
  | 'NOT_FOUND'
  | 'NAME_TAKEN'
  | 'LIMIT_REACHED'
  | 'STATE_CONFLICT'
  | 'LEASE_LOST'

/** One thing that is wrong with an input. */
export interface Issue {
  readonly code: ErrorCode
  /** A sentence for people; public. */
  readonly message: string
  /** The input field meant, from the outside in, such as `['input', 'url']`. */
  readonly path: readonly string[]
}

/** A failure that the caller can act on. Nothing was changed. */
export type UserFailure =
  | { readonly kind: 'invalid'; readonly issues: readonly [Issue, ...Issue[]] }
  | { readonly kind: 'not-found'; readonly id: string; readonly path: readonly string[] }
  | { readonly kind: 'name-taken'; readonly name: string; readonly path: readonly string[] }
  | { readonly kind: 'limit-reached'; readonly limit: number; readonly path: readonly string[] }
  | {
      readonly kind: 'state-conflict'
      /** STATE_CONFLICT unless given. */
      readonly code?: 'LEASE_LOST'
      readonly message: string
      readonly path: readonly string[]
    }

/** What an operation that a client asked for comes to. Failures nobody can act on are thrown instead. */
export type Outcome<Value> = { readonly kind: 'done'; readonly value: Value } | UserFailure

export function done<Value>(value: Value): Outcome<Value> {
  return { kind: 'done', value }
}

/** @returns null when there are no issues. */
export function invalid(issues: readonly Issue[]): UserFailure | null {
  const [first, ...rest] = issues
  return first === undefined ? null : { kind: 'invalid', issues: [first, ...rest] }
}
