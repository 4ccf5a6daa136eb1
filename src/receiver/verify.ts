import { type FieldReader, fieldReader, type HeaderFields } from './header-fields.ts'
import { type ReceivedEvent, receivedEvent } from './received-event.ts'
import { readPlainSecret, readSecret } from './secrets.ts'
import { checkPlainSignature, checkStandardSignature, type SignatureCheck, type SignedContent } from './signatures.ts'

export interface VerifierOptions {
  /**
   * The endpoint's secrets by Standard Webhooks: `whsec_…` for `v1`, `whpk_…` for `v1a`. Any of them is enough, so that
   * a new one can be added before it is used.
   */
  readonly secrets?: readonly string[]
  /**
   * The endpoint's secrets for `X-Webhook-Signature: sha256=…`; the texts themselves are the keys. That form signs the
   * body alone: its id and its time can be replaced on the way, so that it does not keep out repetitions by somebody
   * who can read along.
   */
  readonly plainSecrets?: readonly string[]
  /** How far the sender's time may be off, either way, in milliseconds. Default 300,000. */
  readonly toleranceMs?: number
  /** The clock, in milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number
}

/** A request with the body as it came: not parsed, not decoded. */
export interface SignedRequest {
  readonly headers: HeaderFields
  readonly body: Uint8Array
}

/** Stable; programs branch on it. */
export type RefusalCode = 'SIGNATURE_MISSING' | 'SIGNATURE_MALFORMED' | 'SIGNATURE_WRONG' | 'TIMESTAMP_OFF'

export interface Refusal {
  readonly kind: 'refused'
  readonly code: RefusalCode
  /** A sentence for the receiver's log. */
  readonly detail: string
}

export interface Verified {
  readonly kind: 'verified'
  readonly event: ReceivedEvent
}

/** Judges a request. Never throws at what was sent. */
export type Verify = (request: SignedRequest) => Verified | Refusal

interface Scheme {
  readonly idHeaders: readonly string[]
  readonly timestampHeader: string
  readonly signatureHeader: string
  check(header: string, content: SignedContent): SignatureCheck
}

const defaultToleranceMs = 300_000

/**
 * Prepares the check of signatures: reads the secrets once.
 *
 * @throws TypeError when a secret has not the form of its kind, or when there is none at all.
 */
export function createVerifier(options: VerifierOptions): Verify {
  const { toleranceMs = defaultToleranceMs, now = Date.now } = options
  const schemes = schemesOf(options)
  const [first] = schemes
  if (first === undefined) throw new TypeError('A receiver needs at least one secret.')
  return ({ headers, body }) => {
    const field = fieldReader(headers)
    const scheme = schemes.find(({ signatureHeader }) => field(signatureHeader) !== null) ?? first
    const claim = readClaim(scheme, field)
    if (claim.kind === 'refused') return claim
    const { id, timestamp, signature, timestampSeconds } = claim
    const timely = checkTime(timestampSeconds, { header: scheme.timestampHeader, toleranceMs, nowMs: now() })
    if (timely !== null) return timely
    const refusal = refusalOf(scheme, scheme.check(signature, { id, timestamp, body }))
    return refusal ?? { kind: 'verified', event: receivedEvent({ id, timestampSeconds, body, field }) }
  }
}

/** Standard Webhooks first: of a request that is signed in both forms the stronger signature counts. */
function schemesOf({ secrets = [], plainSecrets = [] }: VerifierOptions): Scheme[] {
  const standardKeys = secrets.map(readSecret)
  const plainKeys = plainSecrets.map(readPlainSecret)
  const standard: Scheme = {
    idHeaders: ['webhook-id'],
    timestampHeader: 'webhook-timestamp',
    signatureHeader: 'webhook-signature',
    check: (header, content) => checkStandardSignature(header, content, standardKeys),
  }
  const plain: Scheme = {
    idHeaders: ['webhook-id', 'x-webhook-delivery'],
    timestampHeader: 'x-webhook-timestamp',
    signatureHeader: 'x-webhook-signature',
    check: (header, content) => checkPlainSignature(header, content, plainKeys),
  }
  return [...(standardKeys.length > 0 ? [standard] : []), ...(plainKeys.length > 0 ? [plain] : [])]
}

interface Claim extends Omit<SignedContent, 'body'> {
  readonly kind: 'claim'
  readonly signature: string
  /** NaN when it cannot be read. */
  readonly timestampSeconds: number
}

// The id is signed with a dot behind it: with dots inside, two requests could have one signed text.
const idForm = /^[\x21-\x2d\x2f-\x7e]{1,256}$/

function readClaim({ idHeaders, timestampHeader, signatureHeader }: Scheme, field: FieldReader): Claim | Refusal {
  const signature = field(signatureHeader)
  if (signature === null) return missing(signatureHeader)
  const id = idHeaders.map(field).find((value) => value !== null) ?? null
  if (id === null) return missing(idHeaders.join(' or '))
  const timestamp = field(timestampHeader)
  if (timestamp === null) return missing(timestampHeader)
  if (!idForm.test(id)) return refuse('SIGNATURE_MALFORMED', 'The id is not 1 to 256 visible characters without a dot.')
  // Digits only: no sign, fraction, exponent or rest.
  const timestampSeconds = /^[0-9]{1,11}$/.test(timestamp) ? Number(timestamp) : Number.NaN
  return { kind: 'claim', id, timestamp, signature, timestampSeconds }
}

interface TimeCheck {
  readonly header: string
  readonly toleranceMs: number
  readonly nowMs: number
}

function checkTime(timestampSeconds: number, { header, toleranceMs, nowMs }: TimeCheck): Refusal | null {
  if (Number.isNaN(timestampSeconds)) return refuse('TIMESTAMP_OFF', `${header} is no unix time in whole seconds.`)
  const skewMs = timestampSeconds * 1_000 - nowMs
  if (Math.abs(skewMs) <= toleranceMs) return null
  const seconds = Math.round(Math.abs(skewMs) / 1_000)
  const direction = skewMs < 0 ? 'behind' : 'ahead of'
  const detail = `${header} is ${seconds} s ${direction} this clock; ${toleranceMs / 1_000} s are allowed.`
  return refuse('TIMESTAMP_OFF', detail)
}

function refusalOf({ signatureHeader }: Scheme, check: SignatureCheck): Refusal | null {
  if (check === 'holds') return null
  if (check === 'wrong') return refuse('SIGNATURE_WRONG', `No secret makes the signature in ${signatureHeader}.`)
  return refuse('SIGNATURE_MALFORMED', `${signatureHeader} holds no signature of a form that the secrets are for.`)
}

function missing(header: string): Refusal {
  return refuse('SIGNATURE_MISSING', `The request has no header ${header}.`)
}

function refuse(code: RefusalCode, detail: string): Refusal {
  return { kind: 'refused', code, detail }
}
