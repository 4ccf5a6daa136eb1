import type { RefusalLog, RefusalReason } from '../refusals/index.ts'
import type { IngressSource } from '../sources/index.ts'
import { type IngressProblem, problem } from './answer.ts'

/** That a source turns a request away: what its sender is told, and what its owner is told besides. */
export interface Refused {
  readonly kind: 'refused'
  readonly reason: RefusalReason
  readonly problem: IngressProblem
  readonly evidence: Evidence
}

/** Of a signature that did not fit; holds no secret. */
export interface Evidence {
  readonly signature: string | null
  readonly signedContentDigest: string | null
  readonly clockSkewMs: number | null
}

const noEvidence: Evidence = { signature: null, signedContentDigest: null, clockSkewMs: null }

export function refused(reason: RefusalReason, problem: IngressProblem, evidence: Evidence = noEvidence): Refused {
  return { kind: 'refused', reason, problem, evidence }
}

/** @param bodyBytes as far as the body was read. */
export interface RefusedRequest {
  readonly method: string
  readonly remoteAddress: string
  readonly bodyBytes: number
}

/** Tells the source's owner. @returns what to tell the sender. */
export function report(
  refusals: Pick<RefusalLog, 'add'>,
  source: IngressSource,
  { method, remoteAddress, bodyBytes }: RefusedRequest,
  { reason, problem, evidence }: Refused,
): IngressProblem {
  const { id: sourceId, projectId } = source
  const { status, detail } = problem
  const { signature, signedContentDigest, clockSkewMs } = evidence
  refusals.add({
    projectId,
    sourceId,
    reason,
    detail,
    status,
    method,
    remoteAddress,
    bodyBytes,
    signature,
    signedContentDigest,
    clockSkewMs,
  })
  return problem
}

export function tooLarge({ maxBodyBytes }: IngressSource): Refused {
  const detail = `The body is over this source's limit of ${maxBodyBytes} bytes.`
  return refused('BODY_TOO_LARGE', problem(413, 'BODY_TOO_LARGE', detail))
}

export const keyReused = refused(
  'IDEMPOTENCY_KEY',
  problem(
    422,
    'IDEMPOTENCY_KEY_REUSED',
    'This Idempotency-Key came with another body before. A new request needs a key of its own.',
  ),
)

export const notStorable = refused(
  'BODY_MALFORMED',
  problem(422, 'NOT_STORABLE', 'The database cannot hold this request; sending it again will not help.'),
)
