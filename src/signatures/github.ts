import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'

/** `malformed` and `missing` never reach a key; `mismatch` means that no active secret made this signature. */
export type GithubVerdict = 'valid' | 'missing' | 'malformed' | 'mismatch'

export interface GithubRequest {
  /** The value of `X-Hub-Signature-256`; undefined when the request has none. */
  header: string | undefined
  /** The body's raw bytes, before any parsing. */
  body: Uint8Array
  /** All active secrets. Text is taken as UTF-8; a prepared key (createSecretKey) makes each check several times cheaper. */
  secrets: readonly (string | KeyObject)[]
}

// Buffer.from(text, 'hex') stops silently at the first junk, so the form is checked before.
const SIGNATURE = /^sha256=([0-9a-fA-F]{64})$/

/**
 * Verifies a request of GitHub, or of whoever signs as GitHub does. GitHub signs no time, so there is no tolerance.
 *
 * @see https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
 */
export function verifyGithub({ header, body, secrets }: GithubRequest): GithubVerdict {
  if (header === undefined || header === '') return 'missing'
  const hex = SIGNATURE.exec(header)?.[1]
  if (hex === undefined) return 'malformed'
  const given = Buffer.from(hex, 'hex')
  const isValid = secrets.some((secret) => timingSafeEqual(given, createHmac('sha256', secret).update(body).digest()))
  return isValid ? 'valid' : 'mismatch'
}
