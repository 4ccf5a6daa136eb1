import { createHmac, type KeyObject, timingSafeEqual, verify } from 'node:crypto'
import type { StandardKey } from './secrets.ts'

/** What a signature is about. */
export interface SignedContent {
  readonly id: string
  /** As it stood in the header. */
  readonly timestamp: string
  readonly body: Uint8Array
}

/** `malformed`: the header holds no signature of a form that the keys are for. */
export type SignatureCheck = 'holds' | 'wrong' | 'malformed'

// A header holds several signatures while keys rotate. One HMAC serves all candidates of a key, but each ed25519
// signature costs a verification of its own that reads the whole body, so that a stranger gets few of them.
const maxSignatures = 100
const maxPublicKeyVerifications = 10

// Base64 has spare bits at its end, and only one spelling is the signature's.
const forms = {
  v1: /^v1,([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)$/,
  v1a: /^v1a,([A-Za-z0-9+/]{85}[AQgw]==)$/,
}

/**
 * Checks `webhook-signature`: signatures with their versions, separated by spaces, over `id.timestamp.body`. One that
 * holds by one of the keys is enough; versions that are not known are passed over.
 *
 * @see Standard Webhooks, "Signature scheme"
 */
export function checkStandardSignature(
  header: string,
  { id, timestamp, body }: SignedContent,
  keys: readonly StandardKey[],
): SignatureCheck {
  // A field that came on several lines is joined by commas.
  const signatures = header.split(/,? /, maxSignatures)
  const content = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body])
  const tried = keys.map(({ version, key }) => {
    const candidates = candidatesOf(signatures, forms[version])
    return {
      count: candidates.length,
      holds: () => (version === 'v1' ? holdsBySecret : holdsByPublicKey)(candidates, content, key),
    }
  })
  if (tried.every(({ count }) => count === 0)) return 'malformed'
  return tried.some(({ holds }) => holds()) ? 'holds' : 'wrong'
}

/** Checks `X-Webhook-Signature`: `sha256=` and the hexadecimal HMAC of the body alone. */
export function checkPlainSignature(
  header: string,
  { body }: SignedContent,
  keys: readonly KeyObject[],
): SignatureCheck {
  const signatures = header.split(/[ ,]+/, maxSignatures)
  const candidates = candidatesOf(signatures, /^sha256=([0-9a-fA-F]{64})$/, 'hex')
  if (candidates.length === 0) return 'malformed'
  return keys.some((key) => holdsBySecret(candidates, body, key)) ? 'holds' : 'wrong'
}

function candidatesOf(signatures: readonly string[], form: RegExp, encoding: 'base64' | 'hex' = 'base64'): Buffer[] {
  return signatures.flatMap((text) => {
    const encoded = form.exec(text)?.[1]
    return encoded === undefined ? [] : [Buffer.from(encoded, encoding)]
  })
}

function holdsBySecret(candidates: readonly Buffer[], content: Uint8Array, key: KeyObject): boolean {
  if (candidates.length === 0) return false
  const expected = createHmac('sha256', key).update(content).digest()
  return candidates.some((candidate) => timingSafeEqual(candidate, expected))
}

function holdsByPublicKey(candidates: readonly Buffer[], content: Uint8Array, key: KeyObject): boolean {
  return candidates.slice(0, maxPublicKeyVerifications).some((candidate) => verify(null, content, key, candidate))
}
