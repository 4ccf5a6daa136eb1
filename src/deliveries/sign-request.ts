import type { KeyObject } from 'node:crypto'
import { encodeHeaderValue } from '../cloudevents/index.ts'
import type { ActiveEndpoint, HeaderField } from '../endpoints/index.ts'
import type { DeliveryId, MessageId } from '../kernel/ids.ts'
import { signPlain } from '../signatures/plain-sha256.ts'
import { sign } from '../signatures/standard-webhooks.ts'

export interface SignedRequest {
  readonly messageId: MessageId
  readonly deliveryId: DeliveryId
  readonly eventType: string
  /** Unix time of this attempt. */
  readonly timestampSeconds: number
  /** The bytes that are sent. */
  readonly body: Buffer
}

/**
 * The header fields that prove the request to be ours: those of Standard Webhooks or those of the plain form. In the
 * overlap after a change between the two there are both.
 */
export function signatureHeaders(
  { signing, secrets, otherSecrets }: Pick<ActiveEndpoint, 'signing' | 'secrets' | 'otherSecrets'>,
  request: SignedRequest,
): HeaderField[] {
  const isPlain = signing === 'plain-sha256'
  return [
    ...standardHeaders(isPlain ? otherSecrets : secrets, request),
    ...plainHeaders(isPlain ? secrets : otherSecrets, request),
  ]
}

function standardHeaders(secrets: readonly KeyObject[], request: SignedRequest): HeaderField[] {
  if (secrets.length === 0) return []
  const { messageId, timestampSeconds, body } = request
  return [
    ['webhook-timestamp', `${timestampSeconds}`],
    ['webhook-signature', sign({ id: messageId, timestampSeconds, body, secrets })],
  ]
}

// The form has room for one signature: receivers have to know a new secret before it becomes the newest, or take both.
function plainHeaders([newest]: readonly KeyObject[], request: SignedRequest): HeaderField[] {
  if (newest === undefined) return []
  return [
    ['x-webhook-signature', signPlain(newest, request.body)],
    // A type may be any text, of which a header takes only printable ASCII.
    ['x-webhook-event', encodeHeaderValue(request.eventType)],
    ['x-webhook-delivery', request.deliveryId],
    ['x-webhook-timestamp', `${request.timestampSeconds}`],
  ]
}
