import type { ProjectId, RefusalId, SourceId } from '../kernel/ids.ts'

/** Why a request was turned away. The same words as the GraphQL enum `RefusalReason`. */
export type RefusalReason =
  | 'METHOD_NOT_ALLOWED'
  | 'ADDRESS_NOT_ALLOWED'
  | 'RATE_LIMITED'
  | 'BODY_TOO_LARGE'
  | 'FORMAT_NOT_ACCEPTED'
  | 'CREDENTIAL_MISSING'
  | 'CREDENTIAL_WRONG'
  | 'TIMESTAMP_OFF'
  | 'BODY_MALFORMED'
  | 'SCHEMA_VIOLATED'
  | 'IDEMPOTENCY_KEY'

/** A request that a source turned away, as who turned it away tells it. */
export interface NewRefusal {
  readonly projectId: ProjectId
  readonly sourceId: SourceId
  readonly reason: RefusalReason
  /** Why, for people: what was expected and what came. No credentials. */
  readonly detail: string
  /** That the sender got. */
  readonly status: number
  /** As sent. */
  readonly method: string
  readonly remoteAddress: string
  /** As far as the body was read. */
  readonly bodyBytes: number
  /** The signature header with all but its form and first characters hidden; null when none was sent. */
  readonly signature: string | null
  /** SHA-256, in hex, of the text that we would have signed; null where nothing is signed. */
  readonly signedContentDigest: string | null
  /** The sender's clock less ours, negative when it is behind; null when it told no time. */
  readonly clockSkewMs: number | null
}

/** A request that a source turned away, as it is kept. */
export interface Refusal extends NewRefusal {
  readonly id: RefusalId
  readonly refusedAt: Date
}
