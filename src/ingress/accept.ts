import type { EventSchemas } from '../event-types/index.ts'
import type { Recorded, Recorder } from '../messages/index.ts'
import type { Verified } from '../signatures/index.ts'
import type { IngressSource } from '../sources/index.ts'
import { type Admitted, methodNotAllowed } from './admission.ts'
import { type AnsweredRequest, type IngressAnswer, notFound, problem, unavailable, unavailableFor } from './answer.ts'
import { claimOfEvent, claimOfKey } from './claim.ts'
import { attributesOf, type EventAttributes } from './event-attributes.ts'
import { messageOf } from './message-of.ts'
import { createPayload, type Payload } from './payload.ts'
import type { IngressRequest } from './receive.ts'
import { keyReused, notStorable, type Refused, refused } from './refused.ts'

export interface AcceptDependencies {
  readonly recorder: Pick<Recorder, 'record'>
  readonly schemas: Pick<EventSchemas, 'hasAny' | 'check'>
  /** Under which senders reach us, without a slash at the end: some sign it. */
  readonly publicUrl: string
  /** Told what kept a request from being looked at. */
  readonly onError: (error: unknown) => void
}

/** A request whose head was found good. */
export interface Receiving {
  readonly request: IngressRequest
  readonly source: IngressSource
  readonly admission: Admitted
}

/** From the raw bytes to the commit: who sent them, whether they are what the source takes, what event they are. */
export async function accept(
  dependencies: AcceptDependencies,
  { request, source, admission }: Receiving,
  body: Buffer,
): Promise<IngressAnswer | Refused> {
  const verdict = verify(dependencies, request, source, body)
  if (verdict.kind !== 'verified') return verdict
  const payload = createPayload(body)
  const refusal = checkJson(request, source, body, payload)
  if (refusal !== null) return refusal
  const { headers, rawHeaders } = request
  const attributes = attributesOf(source, { headers, rawHeaders, body }, payload)
  if (attributes.kind === 'refused') return attributes
  const fit = await checkSchema(dependencies, source, attributes)
  if (fit.kind !== 'fits') return fit
  const { schemaViolation } = fit
  const message = messageOf({ request, source, body, attributes, credentials: verdict, schemaViolation })
  const idempotencyKey = keyOf(source, admission)
  const claim =
    idempotencyKey === null
      ? claimOfEvent(source, attributes)
      : claimOfKey(idempotencyKey, { method: request.method, query: request.query, body })
  const recorded = await dependencies.recorder.record({ message, claim })
  return answerOf({ request, source, admission }, recorded)
}

// GitLab names its events by Idempotency-Key: then its retries are duplicates of an event, welcome with any body.
function keyOf({ mapping }: IngressSource, { idempotencyKey }: Admitted): string | null {
  const isEventId = mapping.id !== null && 'header' in mapping.id && /^idempotency-key$/i.test(mapping.id.header)
  return isEventId ? null : idempotencyKey
}

const nobodyVerified: Verified = { kind: 'verified', credentialHeaders: [], credentialParameters: [] }

function verify(
  { publicUrl }: AcceptDependencies,
  { method, target, query, headers }: IngressRequest,
  source: IngressSource,
  body: Buffer,
): Verified | AnsweredRequest | Refused {
  if (source.verifier === null) return nobodyVerified
  const verdict = source.verifier.verify({ method, url: publicUrl + target, query, headers, body }, Date.now())
  if (verdict.kind === 'answered') return verdict
  // Was let in because it might have been a provider's question; 403 is the answer to such a one that is wrong.
  const isQuestion = verdict.kind === 'refused' && verdict.status === 403
  if (!isQuestion && !source.allowedMethods.includes(method)) return methodNotAllowed(method, source)
  if (verdict.kind === 'verified') return verdict
  const { status, code, detail, reason } = verdict
  return refused(reason, problem(status, code, detail, verdict.headers), verdict)
}

function checkJson({ method }: IngressRequest, source: IngressSource, body: Buffer, payload: Payload): Refused | null {
  if (!source.requiresJson || payload.json() !== undefined) return null
  // Who asks sends no body.
  if (body.length === 0 && (method === 'GET' || method === 'HEAD')) return null
  const detail = 'This source takes JSON alone: UTF-8 without a byte order mark, at most 500 levels deep.'
  return refused('BODY_MALFORMED', problem(400, 'BODY_NOT_JSON', detail))
}

interface Fits {
  readonly kind: 'fits'
  /** Why it does not, where such events are let in. */
  readonly schemaViolation: string | null
}

const fits: Fits = { kind: 'fits', schemaViolation: null }

async function checkSchema(
  { schemas, onError }: AcceptDependencies,
  { projectId }: IngressSource,
  { type, data }: EventAttributes,
): Promise<Fits | Refused | IngressAnswer> {
  if (type === null) return fits
  try {
    if (!(await schemas.hasAny(projectId))) return fits
    const verdict = await schemas.check(projectId, type, data)
    if (verdict.kind === 'fits') return fits
    if (verdict.policy === 'FLAG') return { kind: 'fits', schemaViolation: verdict.detail }
    return refused('SCHEMA_VIOLATED', problem(422, 'SCHEMA_VIOLATED', verdict.detail))
  } catch (error) {
    onError(error)
    return unavailableFor(error)
  }
}

function answerOf(
  { request, source, admission }: Receiving,
  recorded: Recorded | { readonly kind: 'overloaded' },
): IngressAnswer | Refused {
  switch (recorded.kind) {
    case 'recorded': {
      const { id, sequence, isDuplicate } = recorded
      request.note({ messageId: id, sequence, isDuplicate })
      const isKeyed = keyOf(source, admission) !== null
      return {
        kind: 'accepted',
        id,
        sequence,
        isDuplicate: isDuplicate && !isKeyed,
        isReplay: isDuplicate && isKeyed,
        response: source.acceptedResponse,
        headers: admission.rateHeaders,
      }
    }
    case 'key-reused':
      return keyReused
    case 'overloaded':
      return unavailable('OVERLOADED', 1)
    case 'unavailable':
      return unavailable('DATABASE_UNAVAILABLE', 2)
    case 'source-gone':
      return notFound
    default:
      return notStorable
  }
}
