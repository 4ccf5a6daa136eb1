import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { EventSchemas } from '../event-types/index.ts'
import type { Recorded, Recorder } from '../messages/index.ts'
import type { RefusalLog } from '../refusals/index.ts'
import type { Verified } from '../signatures/index.ts'
import type { IngressSource, SourceDirectory } from '../sources/index.ts'
import { type Admitted, admit, methodNotAllowed } from './admission.ts'
import { type AnsweredRequest, type IngressAnswer, notFound, problem, unavailable } from './answer.ts'
import { claimOfEvent, claimOfKey } from './claim.ts'
import { attributesOf, type EventAttributes } from './event-attributes.ts'
import { messageOf } from './message-of.ts'
import { createPayload, type Payload } from './payload.ts'
import type { RateLimiter } from './rate-limiter.ts'
import { type BodyBudget, readBody } from './read-body.ts'
import { type Refused, refused, report, tooLarge } from './refused.ts'
import { permissionFor } from './webhook-permission.ts'

/** Where a request was sent to. */
export type IngressAddress =
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'queue'; readonly project: string; readonly source: string }

/** One request to a source's address, free of the HTTP server. */
export interface IngressRequest {
  readonly address: IngressAddress
  readonly method: string
  /** Path and query, raw. */
  readonly target: string
  /** What followed the address, raw; null when nothing did. */
  readonly path: string | null
  /** Without `?`; null when there was none. */
  readonly query: string | null
  /** Lower-case names; repeated ones joined or listed as Node does. */
  readonly headers: IncomingHttpHeaders
  /** Names and values in turns, in the order received. */
  readonly rawHeaders: readonly string[]
  readonly remoteAddress: string
  readonly body: Readable
  /** Adds to the request's log line. */
  note(fields: Readonly<Record<string, unknown>>): void
}

export interface Ingress {
  /** @returns null when the sender went away before the request was whole. Never throws for what a sender did. */
  receive(request: IngressRequest): Promise<IngressAnswer | null>
}

export interface IngressDependencies {
  readonly directory: Pick<SourceDirectory, 'byToken' | 'byQueue'>
  readonly recorder: Pick<Recorder, 'record'>
  readonly budget: BodyBudget
  readonly refusals: Pick<RefusalLog, 'add'>
  readonly rateLimiter: Pick<RateLimiter, 'take'>
  readonly schemas: Pick<EventSchemas, 'hasAny' | 'check'>
  /** Under which senders reach us, without a slash at the end: some sign it. */
  readonly publicUrl: string
  /** Told what kept a request from being looked at. */
  readonly onError: (error: unknown) => void
}

export function createIngress(dependencies: IngressDependencies): Ingress {
  return {
    async receive(request) {
      const source = await findSource(dependencies, request.address)
      if (source === 'unavailable') return unavailable('DATABASE_UNAVAILABLE', 2)
      if (source === null) return notFound
      request.note({ projectId: source.projectId, sourceId: source.id })
      const permission = request.method === 'OPTIONS' ? permissionFor(request.headers, source) : null
      const admission = permission ?? (await admit(dependencies.rateLimiter, request, admitting(request, source)))
      switch (admission.kind) {
        case 'refused':
          return report(dependencies.refusals, source, { ...about(request), bodyBytes: 0 }, admission)
        case 'answered':
          return admission
        default:
          return await receiveBody(dependencies, { request, source, admission })
      }
    },
  }
}

// Some providers ask by GET whether the address is theirs to send to, whatever method their messages come by. What is no
// such question is turned away when it is verified.
function admitting({ method }: IngressRequest, source: IngressSource): IngressSource {
  if (method !== 'GET' || source.preset === null || source.allowedMethods.includes('GET')) return source
  return { ...source, allowedMethods: [...source.allowedMethods, 'GET'] }
}

async function findSource(
  { directory, onError }: IngressDependencies,
  address: IngressAddress,
): Promise<IngressSource | null | 'unavailable'> {
  try {
    return address.kind === 'token'
      ? await directory.byToken(address.token)
      : await directory.byQueue(address.project, address.source)
  } catch (error) {
    onError(error)
    return 'unavailable'
  }
}

/** A request whose head was found good. */
interface Receiving {
  readonly request: IngressRequest
  readonly source: IngressSource
  readonly admission: Admitted
}

async function receiveBody(dependencies: IngressDependencies, receiving: Receiving): Promise<IngressAnswer | null> {
  const { budget, refusals } = dependencies
  const { request, source } = receiving
  const refuse = (bodyBytes: number, refusal: Refused) =>
    report(refusals, source, { ...about(request), bodyBytes }, refusal)
  const read = await readBody(request.body, { sourceId: source.id, maxBytes: source.maxBodyBytes, budget })
  switch (read.kind) {
    case 'too-large':
      return refuse(read.bytes, tooLarge(source))
    case 'no-room':
      return unavailable('OVERLOADED', 1)
    case 'aborted':
      return null
    default:
  }
  try {
    const answer = await accept(dependencies, receiving, read.body)
    return answer.kind === 'refused' ? refuse(read.body.length, answer) : answer
  } finally {
    budget.give(source.id, read.body.length)
  }
}

function about({ method, remoteAddress }: IngressRequest) {
  return { method, remoteAddress }
}

async function accept(
  dependencies: IngressDependencies,
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
  const { idempotencyKey } = admission
  const claim =
    idempotencyKey === null
      ? claimOfEvent(source, attributes)
      : claimOfKey(idempotencyKey, { method: request.method, query: request.query, body })
  const recorded = await dependencies.recorder.record({ message, claim })
  return answerOf({ request, source, admission }, recorded)
}

const nobodyVerified: Verified = { kind: 'verified', credentialHeaders: [], credentialParameters: [] }

function verify(
  { publicUrl }: IngressDependencies,
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
  { schemas, onError }: IngressDependencies,
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
    return unavailable('DATABASE_UNAVAILABLE', 2)
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
      const isKeyed = admission.idempotencyKey !== null
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
