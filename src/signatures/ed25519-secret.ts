import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'

/*
 * The asymmetric secrets of Standard Webhooks: `whsk_` and the padded base64 of an ed25519 seed (32 bytes), followed by
 * its public key (32 more) or not; `whpk_` and the base64 of the public key alone, which receivers verify by.
 */

const secretPattern = /^whsk_((?:[A-Za-z0-9+/]{4}){10}[A-Za-z0-9+/]{3}=|(?:[A-Za-z0-9+/]{4}){21}[A-Za-z0-9+/]{2}==)$/
const seedBytes = 32

/** A new asymmetric secret, of the longer form. */
export function generateEd25519Secret(): string {
  const { privateKey } = generateKeyPairSync('ed25519')
  const seed = bytesOf(privateKey, 'd')
  return `whsk_${Buffer.concat([seed, bytesOf(privateKey, 'x')]).toString('base64')}`
}

/**
 * Reads an asymmetric secret, strictly.
 *
 * @returns a private key; null for everything else, such as a seed before the public key of another.
 */
export function parseEd25519Secret(text: string): KeyObject | null {
  const encoded = secretPattern.exec(text)?.[1]
  if (encoded === undefined) return null
  const bytes = Buffer.from(encoded, 'base64')
  const key = privateKeyOf(bytes.subarray(0, seedBytes))
  const givenPublicKey = bytes.subarray(seedBytes)
  return givenPublicKey.length === 0 || givenPublicKey.equals(bytesOf(key, 'x')) ? key : null
}

/** `whpk_…`, for receivers. */
export function ed25519PublicKeyText(privateKey: KeyObject): string {
  return `whpk_${bytesOf(privateKey, 'x').toString('base64')}`
}

/** PKCS #8 before the 32 bytes of a seed: version, algorithm (RFC 8410), and two octet strings' heads. */
const seedPreamble = Buffer.from('302e020100300506032b657004220420', 'hex')

function privateKeyOf(seed: Buffer): KeyObject {
  return createPrivateKey({ key: Buffer.concat([seedPreamble, seed]), format: 'der', type: 'pkcs8' })
}

/** `d` is the seed, `x` the public key. */
function bytesOf(privateKey: KeyObject, part: 'd' | 'x'): Buffer {
  const jwk = (part === 'd' ? privateKey : createPublicKey(privateKey)).export({ format: 'jwk' })
  return Buffer.from(jwk[part] ?? '', 'base64url')
}
