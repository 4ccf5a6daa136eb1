import { createHmac, createSecretKey, type KeyObject, randomBytes, sign as signWith } from 'node:crypto'

const SECRET_PREFIX = 'whsec_'
const MIN_KEY_BYTES = 24
const MAX_KEY_BYTES = 64
const GENERATED_KEY_BYTES = 32

// Buffer.from(text, 'base64') skips whatever it does not know, so junk must be refused by pattern first.
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** What is signed: the message's id, the time of this attempt and the body's raw bytes. */
export interface SignedContent {
  /** The message's id; the specification allows no `.` in it. The same on every attempt. */
  id: string
  /** Unix time of this attempt, whole seconds. */
  timestampSeconds: number
  body: Uint8Array
  /**
   * Every active key, so that receivers can rotate at their own pace: symmetric ones, or private ones of ed25519. Parse
   * once and keep: see `parseSecret`.
   */
  secrets: readonly KeyObject[]
}

/** A new symmetric secret: `whsec_` and the base64 of 32 random bytes. */
export function generateSecret(): string {
  return SECRET_PREFIX + randomBytes(GENERATED_KEY_BYTES).toString('base64')
}

/**
 * Reads a symmetric secret, strictly: `whsec_` and padded base64 of 24 to 64 bytes.
 *
 * The key comes back as a KeyObject because an HMAC with a prepared key costs a sixth of one with raw bytes.
 *
 * @returns null for everything else, such as an asymmetric `whsk_` or `whpk_` key.
 */
export function parseSecret(text: string): KeyObject | null {
  if (!text.startsWith(SECRET_PREFIX)) return null
  const encoded = text.slice(SECRET_PREFIX.length)
  if (!BASE64.test(encoded)) return null
  const key = Buffer.from(encoded, 'base64')
  if (key.length < MIN_KEY_BYTES || key.length > MAX_KEY_BYTES) return null
  return createSecretKey(key)
}

/**
 * The value of the `webhook-signature` header: `v1,<base64>` per symmetric key, `v1a,<base64>` per private one, separated
 * by spaces.
 *
 * @see Standard Webhooks, "Signature scheme"
 */
export function sign({ id, timestampSeconds, body, secrets }: SignedContent): string {
  const preamble = `${id}.${timestampSeconds}.`
  return secrets
    .map((key) =>
      key.type === 'private'
        ? `v1a,${signWith(null, Buffer.concat([Buffer.from(preamble), body]), key).toString('base64')}`
        : `v1,${createHmac('sha256', key).update(preamble).update(body).digest('base64')}`,
    )
    .join(' ')
}
