import { CodedError } from '../kernel/coded-error.ts'
import type { MessageId } from '../kernel/ids.ts'
import type { AcceptedResponse } from '../signatures/index.ts'

/** What a sender is told. */
export type IngressAnswer = AcceptedAnswer | AnsweredRequest | IngressProblem

/** Only after the commit. */
export interface AcceptedAnswer {
  readonly kind: 'accepted'
  readonly id: MessageId
  /** Null when retention has dropped the message that a duplicate stands for. */
  readonly sequence: number | null
  /** That an earlier message has this event's id. A repeated Idempotency-Key is answered as the first time: false. */
  readonly isDuplicate: boolean
  /** That the Idempotency-Key was used before. */
  readonly isReplay: boolean
  /** What the source's owner would have senders told instead; null: a receipt. */
  readonly response: AcceptedResponse | null
  /** What is told of rate limits. */
  readonly headers: Readonly<Record<string, string>>
}

/** A challenge or handshake: nothing is stored. */
export interface AnsweredRequest {
  readonly kind: 'answered'
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface IngressProblem {
  readonly kind: 'problem'
  readonly status: number
  /** Stable, for programs. */
  readonly code: string
  /** For people: what was expected and what came. Holds no secret. */
  readonly detail: string
  readonly headers?: Readonly<Record<string, string>>
}

export function problem(
  status: number,
  code: string,
  detail: string,
  headers?: Readonly<Record<string, string>>,
): IngressProblem {
  return headers === undefined
    ? { kind: 'problem', status, code, detail }
    : { kind: 'problem', status, code, detail, headers }
}

/** The same for an unknown, a deleted and a paused source, so that addresses cannot be guessed. */
export const notFound = problem(404, 'NOT_FOUND', 'There is no source at this address.')

/** Senders repeat a 503; after how many seconds says `Retry-After`. */
export function unavailable(code: 'OVERLOADED' | 'DATABASE_UNAVAILABLE', retryAfterSeconds: number): IngressProblem {
  const why = code === 'OVERLOADED' ? 'Too many messages wait to be stored.' : 'The database does not answer.'
  return problem(503, code, `${why} Nothing was stored; send it again.`, { 'retry-after': String(retryAfterSeconds) })
}

/** What a sender is told when an error kept its request from being looked at. */
export function unavailableFor(error: unknown): IngressProblem {
  const isOverloaded = error instanceof CodedError && error.code === 'OVERLOADED'
  return isOverloaded ? unavailable('OVERLOADED', 1) : unavailable('DATABASE_UNAVAILABLE', 2)
}
