import { createHmac } from 'node:crypto'
import { Webhook } from 'standardwebhooks'

export interface SignedDelivery {
  readonly headers: Record<string, string>
  readonly body: Buffer
}

/** A delivery as its sender signs it, with the official package: of now, unless a time is given. */
export function signedDelivery(
  secret: string,
  payload: string,
  { id = 'msg_1', at = new Date() }: { id?: string; at?: Date } = {},
): SignedDelivery {
  const headers = {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
    'webhook-signature': new Webhook(secret).sign(id, at, payload),
  }
  return { headers, body: Buffer.from(payload) }
}

/** In the plain form: the HMAC of the body alone. */
export function plainDelivery(secret: string, payload: string, type = 'order.created'): SignedDelivery {
  const body = Buffer.from(payload)
  const headers = {
    'x-webhook-event': type,
    'x-webhook-delivery': 'dlv_1',
    'x-webhook-timestamp': String(Math.floor(Date.now() / 1_000)),
    'x-webhook-signature': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
  }
  return { headers, body }
}
