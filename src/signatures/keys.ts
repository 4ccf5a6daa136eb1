import { createPublicKey, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { parseSecret } from './standard-webhooks.ts'

/** How a secret's text becomes a key. */
export interface KeyForm {
  /** Null when the text has not this form. */
  parse(text: string): KeyObject | null
  /** What the text must be; a public sentence. */
  readonly demand: string
}

/** More than any provider's secret; an HMAC key of any length is as good as its hash. */
const maxSecretCharacters = 1_000

/** The text itself, in UTF-8: what most providers do, whatever the text looks like. */
export const textKey: KeyForm = {
  parse: (text) =>
    text === '' || text.length > maxSecretCharacters ? null : createSecretKey(Buffer.from(text, 'utf8')),
  demand: 'The secret must have 1 to 1,000 characters.',
}

/** `whsec_` and base64. */
export const standardWebhooksKey: KeyForm = {
  parse: parseSecret,
  demand: 'The secret must be `whsec_` and the base64 of 24 to 64 bytes, or `whpk_` and a public key.',
}

/** `whpk_` and the base64 of an ed25519 public key. */
export const standardWebhooksPublicKey: KeyForm = {
  parse: (text) => publicKeyOf(/^whpk_([A-Za-z0-9+/]{43}=)$/.exec(text)?.[1], 'base64'),
  demand: standardWebhooksKey.demand,
}

/** An ed25519 public key, 32 bytes: hex, base64 or `whpk_…`. */
export const ed25519PublicKey: KeyForm = {
  parse: (text) =>
    publicKeyOf(/^[0-9a-fA-F]{64}$/.exec(text)?.[0], 'hex') ??
    publicKeyOf(/^(?:whpk_)?([A-Za-z0-9+/]{43}=)$/.exec(text)?.[1], 'base64'),
  demand: 'The secret must be an ed25519 public key of 32 bytes in hex, base64 or `whpk_…`.',
}

function publicKeyOf(text: string | undefined, encoding: 'hex' | 'base64'): KeyObject | null {
  if (text === undefined) return null
  const x = Buffer.from(text, encoding).toString('base64url')
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
}

/** A new secret without a form of its own: 256 random bits that fit every header and form field. */
export function generateText(): string {
  return randomBytes(32).toString('base64url')
}
