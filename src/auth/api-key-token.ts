import { createHash, randomBytes } from 'node:crypto'
import type { ApiKeyId } from '../kernel/ids.ts'

/*
 * A token is `hk_<key id without its prefix>_<secret>`. The id finds the key, the secret proves it. The secret is 256
 * random bits, so that one round of SHA-256 is enough: there is nothing to guess that a slow hash would make dearer.
 */

const secretBytes = 32
const tokenPattern = /^hk_([0-7][0-9a-hjkmnp-tv-z]{25})_([A-Za-z0-9_-]{43})$/
// RFC 9110: the scheme is case-insensitive, and one or more spaces follow it.
const bearerPattern = /^bearer +([^ ]+) *$/i

export interface PresentedToken {
  readonly keyId: ApiKeyId
  readonly secretHash: Buffer
}

/** A new token for the key, with what is stored of it. */
export function newToken(keyId: ApiKeyId): { token: string; secretHash: Buffer } {
  const secret = randomBytes(secretBytes).toString('base64url')
  return { token: `hk_${keyId.slice('key_'.length)}_${secret}`, secretHash: hash(secret) }
}

/** @returns null for whatever is not `Bearer` and a well-formed token. */
export function parseAuthorization(authorization: string | undefined): PresentedToken | null {
  const token = bearerPattern.exec(authorization ?? '')?.[1]
  const [, idSuffix, secret] = tokenPattern.exec(token ?? '') ?? []
  if (idSuffix === undefined || secret === undefined) return null
  return { keyId: `key_${idSuffix}`, secretHash: hash(secret) }
}

function hash(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}
