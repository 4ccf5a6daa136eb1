import { createHash, createHmac, type Hash, type Hmac, type KeyObject, timingSafeEqual, verify } from 'node:crypto'
import type { KeyForm } from './keys.ts'
import { defineProof, headerText, type PreparedKey, type Proof } from './proof.ts'
import { formOf, refuse } from './refusal.ts'
import { encodedPattern, hashOf, timestampOff, unixSecondsOf } from './signature-values.ts'
import type { RefusalCode, Refused, SignatureFormat, VerifiableRequest } from './verification.ts'

// A header holds more than one signature while keys rotate, or when it was repeated. What is looked at is bounded: one
// HMAC serves all candidates of a key, but each public-key signature costs a verification of its own, which reads the
// whole body, with each key: at most ten for a stranger.
const maxSignatures = 100
const maxPublicKeyVerifications = 10

type Part = { readonly literal: string } | { readonly name: 'id' | 'timestamp' | 'url' | 'body' }

/** What the request claims: these signatures, over this content. */
interface SignatureClaim {
  readonly kind: 'claim'
  readonly candidates: readonly Buffer[]
  readonly content: readonly (string | Buffer)[]
  /** The header as it came. */
  readonly header: string
  readonly clockSkewMs: number | null
}

/** A format, prepared once. */
interface CompiledFormat {
  readonly format: SignatureFormat
  readonly headerName: string
  readonly idHeaderName: string | null
  readonly timestampHeaderName: string | null
  readonly parts: readonly Part[]
  /** Finds the well-formed signatures of the header; what else is in it is passed over. */
  readonly signatures: RegExp
  readonly timestamps: RegExp | null
}

/**
 * The proof by a signature of the given form. The time is looked at before any key is used.
 *
 * @param confirm what else must hold once the signature does, such as a time that is inside the body.
 */
export function signatureProof(
  format: SignatureFormat,
  keyForm: KeyForm,
  confirm?: (request: VerifiableRequest, nowMs: number) => Refused | null,
): Proof {
  const compiled = compile(format)
  return defineProof<SignatureClaim, KeyObject>({
    checkSecret: (text) => (keyForm.parse(text) === null ? keyForm.demand : null),
    keyOf: keyForm.parse,
    credentialHeaders: [],
    read: (request, nowMs) => readClaim(compiled, request, nowMs),
    find: (claim, keys) => findSigner(format, claim, keys),
    wrong: (claim) =>
      refuse('SIGNATURE_WRONG', `No secret of this source makes the signature in ${format.header}.`, evidenceOf(claim)),
    ...(confirm === undefined ? {} : { confirm }),
  })
}

function compile(format: SignatureFormat): CompiledFormat {
  const marker = markerOf(format)
  const timestamp = format.timestampParameter
  return {
    format,
    headerName: format.header.toLowerCase(),
    idHeaderName: format.idHeader?.toLowerCase() ?? null,
    timestampHeaderName: format.timestampHeader?.toLowerCase() ?? null,
    parts: partsOf(format.content),
    signatures: new RegExp(`(?<=^|[,; \\t])${escapePattern(marker)}(${encodedPattern(format)})(?=$|[,; \\t])`, 'g'),
    timestamps: timestamp === null ? null : new RegExp(`(?:^|[,; \\t])${escapePattern(timestamp)}=([^,; \\t]*)`),
  }
}

/** What stands right before a signature. */
function markerOf({ parameter, prefix }: SignatureFormat): string {
  return (parameter === null ? '' : `${parameter}=`) + (prefix ?? '')
}

/** So that a text stands for itself in a pattern. */
function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}

const variable = /\{(id|timestamp|url|body)\}/

function partsOf(content: string): Part[] {
  const parts = content.split(variable).map((text, index): Part => {
    if (index % 2 === 0) return { literal: text }
    return { name: text as 'id' | 'timestamp' | 'url' | 'body' }
  })
  return parts.filter((part) => 'name' in part || part.literal !== '')
}

function readClaim(compiled: CompiledFormat, request: VerifiableRequest, nowMs: number): SignatureClaim | Refused {
  const { format, headerName, idHeaderName } = compiled
  const header = headerText(request.headers, headerName)
  if (header === null) return refuse('SIGNATURE_MISSING', `This source demands the header ${format.header}.`)
  const id = idHeaderName === null ? '' : headerText(request.headers, idHeaderName)
  if (id === null) return refuseForm('SIGNATURE_MISSING', `This source demands the header ${format.idHeader}.`, header)
  const timestamp = timestampOf(compiled, request, header)
  if (typeof timestamp !== 'string') return timestamp
  const candidates = candidatesOf(compiled, header)
  if (candidates.length === 0) return refuseForm('SIGNATURE_MALFORMED', malformed(format), header)
  const content = contentOf(compiled.parts, { id, timestamp, url: request.url, body: request.body })
  const claim = { kind: 'claim' as const, candidates, content, header, clockSkewMs: null }
  if (!isTimed(format)) return claim
  return timely({ ...claim, clockSkewMs: skewOf(timestamp, nowMs) }, format)
}

function refuseForm(code: RefusalCode, detail: string, header: string): Refused {
  return refuse(code, detail, { signature: formOf(header) })
}

function isTimed(format: SignatureFormat): boolean {
  return format.timestampHeader !== null || format.timestampParameter !== null
}

function timestampOf(
  { format, timestampHeaderName, timestamps }: CompiledFormat,
  request: VerifiableRequest,
  header: string,
): string | Refused {
  if (timestampHeaderName !== null) {
    const text = headerText(request.headers, timestampHeaderName)
    const detail = `This source demands the header ${format.timestampHeader}.`
    return text ?? refuseForm('SIGNATURE_MISSING', detail, header)
  }
  if (timestamps === null) return ''
  const detail = `${format.header} holds no \`${format.timestampParameter}=\` with a unix time.`
  return timestamps.exec(header)?.[1] ?? refuseForm('SIGNATURE_MALFORMED', detail, header)
}

function skewOf(timestamp: string, nowMs: number): number | null {
  const seconds = unixSecondsOf(timestamp)
  return seconds === null ? null : seconds * 1_000 - nowMs
}

function timely(claim: SignatureClaim, format: SignatureFormat): SignatureClaim | Refused {
  const place = format.timestampHeader ?? format.header
  const detail = timestampOff(claim.clockSkewMs, { place, toleranceMs: format.toleranceMs })
  return detail === null ? claim : refuse('TIMESTAMP_OFF', detail, evidenceOf(claim))
}

function candidatesOf({ format, signatures }: CompiledFormat, header: string): Buffer[] {
  const encoding = format.encoding === 'HEX' ? 'hex' : 'base64'
  return header
    .matchAll(signatures)
    .take(maxSignatures)
    .map((match) => Buffer.from(match[1] ?? '', encoding))
    .toArray()
}

function malformed(format: SignatureFormat): string {
  const marker = markerOf(format)
  const before = marker === '' ? '' : `\`${marker}\` and `
  return `${format.header} holds no signature of this form: ${before}${describeValue(format)}.`
}

function describeValue(format: SignatureFormat): string {
  const bytes = hashOf(format.algorithm).signatureBytes
  return format.encoding === 'HEX' ? `${bytes * 2} hexadecimal digits` : `the base64 of ${bytes} bytes`
}

function contentOf(
  parts: readonly Part[],
  values: { id: string; timestamp: string; url: string; body: Buffer },
): (string | Buffer)[] {
  return parts.map((part) => ('name' in part ? values[part.name] : part.literal))
}

function findSigner(
  format: SignatureFormat,
  { candidates, content }: SignatureClaim,
  keys: readonly PreparedKey<KeyObject>[],
): PreparedKey<KeyObject> | undefined {
  if (format.algorithm === 'ED25519') {
    const message = Buffer.concat(content.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece)))
    const tried = candidates.slice(0, Math.floor(maxPublicKeyVerifications / keys.length))
    return keys.find(({ key }) => tried.some((candidate) => verify(null, message, key, candidate)))
  }
  const { name, isKeyed } = hashOf(format.algorithm)
  return keys.find(({ key }) => {
    const hash = isKeyed ? createHmac(name, key) : createHash(name).update(key.export())
    const expected = update(hash, content).digest()
    return candidates.some((candidate) => timingSafeEqual(candidate, expected))
  })
}

function update(hash: Hash | Hmac, content: readonly (string | Buffer)[]): Hash | Hmac {
  for (const piece of content) hash.update(piece)
  return hash
}

function evidenceOf(claim: SignatureClaim) {
  return {
    signature: formOf(claim.header),
    signedContentDigest: update(createHash('sha256'), claim.content).digest('hex'),
    clockSkewMs: claim.clockSkewMs,
  }
}
