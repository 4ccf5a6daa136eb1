import { createHmac } from 'node:crypto'

const bodyBytes = 1_024

/** A JSON event of 1 kB. */
export function requestBody(): string {
  const event = { type: 'order.created', subject: 'orders/7', padding: '' }
  return JSON.stringify({ ...event, padding: 'x'.repeat(bodyBytes - JSON.stringify(event).length) })
}

/** `X-Hub-Signature-256` as GitHub makes it. */
export function githubSignature(secret: string, body: string): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
}
