import type { SignatureAlgorithm, SignatureFormat } from './verification.ts'

/** What an algorithm is made of. */
export interface SignatureHash {
  /** As node:crypto calls the hash; of ED25519 none is named. */
  readonly name: string
  readonly isKeyed: boolean
  readonly signatureBytes: number
}

const hashes: Record<SignatureAlgorithm, SignatureHash> = {
  HMAC_SHA1: { name: 'sha1', isKeyed: true, signatureBytes: 20 },
  HMAC_SHA256: { name: 'sha256', isKeyed: true, signatureBytes: 32 },
  HMAC_SHA512: { name: 'sha512', isKeyed: true, signatureBytes: 64 },
  HASH_SHA1: { name: 'sha1', isKeyed: false, signatureBytes: 20 },
  HASH_SHA256: { name: 'sha256', isKeyed: false, signatureBytes: 32 },
  HASH_SHA512: { name: 'sha512', isKeyed: false, signatureBytes: 64 },
  ED25519: { name: '', isKeyed: true, signatureBytes: 64 },
}

export function hashOf(algorithm: SignatureAlgorithm): SignatureHash {
  return hashes[algorithm]
}

/**
 * The source of a pattern that a signature of this format must match in full. Decoders skip what they do not know and
 * base64 has spare bits at its end, so that without the pattern several texts would be one signature.
 */
export function encodedPattern({ algorithm, encoding }: SignatureFormat): string {
  const bytes = hashes[algorithm].signatureBytes
  if (encoding === 'HEX') return `[0-9a-fA-F]{${bytes * 2}}`
  const whole = Math.floor(bytes / 3) * 4
  // 20, 32 and 64 bytes: none divides by three.
  return bytes % 3 === 1 ? `[A-Za-z0-9+/]{${whole + 1}}[AQgw]==` : `[A-Za-z0-9+/]{${whole + 2}}[AEIMQUYcgkosw048]=`
}

/** Digits only, up to the year 5138: no sign, fraction, exponent or rest. Null for everything else. */
export function unixSecondsOf(text: string): number | null {
  return /^[0-9]{1,11}$/.test(text) ? Number(text) : null
}

/**
 * Judges a sender's time.
 *
 * @param skewMs the sender's clock less ours; null when its time cannot be read.
 * @returns a public sentence when it is off; null when it is within the tolerance, either way.
 */
export function timestampOff(
  skewMs: number | null,
  { place, toleranceMs }: { place: string; toleranceMs: number },
): string | null {
  if (skewMs === null) return `The time in ${place} is not a unix time of the expected unit.`
  if (Math.abs(skewMs) <= toleranceMs) return null
  const seconds = Math.round(Math.abs(skewMs) / 1_000)
  const direction = skewMs < 0 ? 'behind' : 'ahead of'
  return `The time in ${place} is ${seconds} s ${direction} this server's clock; ${toleranceMs / 1_000} s are allowed.`
}
