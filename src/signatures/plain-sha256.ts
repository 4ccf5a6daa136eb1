import { createHmac, type KeyObject } from 'node:crypto'

/**
 * The older plain form: what stands in `X-Webhook-Signature`, the HMAC-SHA256 of the body alone.
 *
 * @param key the bytes of the secret's text, as the receivers of this form take theirs.
 */
export function signPlain(key: KeyObject, body: Uint8Array): string {
  return `sha256=${createHmac('sha256', key).update(body).digest('hex')}`
}
