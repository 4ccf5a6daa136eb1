import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto'

/** A key of Standard Webhooks, with the version of the signatures that it checks. */
export interface StandardKey {
  readonly version: 'v1' | 'v1a'
  readonly key: KeyObject
}

// Buffer.from(text, 'base64') skips whatever it does not know, so junk must be refused by pattern first.
const symmetric = /^whsec_((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/
const publicKey = /^whpk_([A-Za-z0-9+/]{43}=)$/
const [minKeyBytes, maxKeyBytes] = [24, 64]

/**
 * Reads a secret of Standard Webhooks, strictly.
 *
 * @param text `whsec_` and the base64 of 24 to 64 bytes, or `whpk_` and the base64 of an ed25519 public key.
 * @throws TypeError for anything else. It does not repeat the secret.
 */
export function readSecret(text: string): StandardKey {
  const encodedPublic = publicKey.exec(text)?.[1]
  if (encodedPublic !== undefined) {
    const x = Buffer.from(encodedPublic, 'base64').toString('base64url')
    return { version: 'v1a', key: createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }) }
  }
  if (text.startsWith('whsk_')) throw new TypeError('A `whsk_` key signs: a receiver is given the `whpk_` key.')
  const encoded = symmetric.exec(text)?.[1]
  const bytes = encoded === undefined ? Buffer.alloc(0) : Buffer.from(encoded, 'base64')
  if (bytes.length < minKeyBytes || bytes.length > maxKeyBytes)
    throw new TypeError('A secret is `whsec_` and the base64 of 24 to 64 bytes, or `whpk_` and a public key.')
  return { version: 'v1', key: createSecretKey(bytes) }
}

/**
 * Reads a secret of the plain form: the text itself, in UTF-8, is the key.
 *
 * @throws TypeError when it is empty, as a variable that is not set would be, or when it is one of Standard Webhooks.
 */
export function readPlainSecret(text: string): KeyObject {
  if (text === '') throw new TypeError('A plain secret is empty.')
  if (/^wh(?:sec|sk|pk)_/.test(text)) throw new TypeError('A `whsec_` or `whpk_` secret is none of the plain form.')
  return createSecretKey(Buffer.from(text, 'utf8'))
}
