import { encodeHeaderValue } from '../cloudevents/index.ts'
import type { ActiveEndpoint, HeaderField } from '../endpoints/index.ts'
import type { DeliveryId } from '../kernel/ids.ts'
import { eventTypeOf } from '../messages/event-defaults.ts'
import type { OutboundRequest } from '../outbound/outbound.ts'
import { payloadOf, type SentMessage } from './payload-form.ts'
import { signatureHeaders } from './sign-request.ts'

/** What of an endpoint makes its requests. */
export type RequestTarget = Pick<
  ActiveEndpoint,
  | 'url'
  | 'method'
  | 'payloadFormat'
  | 'headers'
  | 'authentication'
  | 'signing'
  | 'secrets'
  | 'otherSecrets'
  | 'timeoutMs'
>

export interface RequestInput {
  readonly endpoint: RequestTarget
  readonly delivery: {
    readonly id: DeliveryId
    /** Of the attempt to be made. */
    readonly attemptNumber: number
    readonly message: SentMessage
  }
  readonly userAgent: string
  readonly signal: AbortSignal
  readonly nowMs: number
  /** Whether it is a test, of which nothing is kept; default no. */
  readonly isTest?: boolean
}

/** The request of one attempt. Pure: no clock, no I/O. */
export async function requestOf(input: RequestInput): Promise<OutboundRequest & { readonly body: Buffer }> {
  const { endpoint, delivery, userAgent, signal, nowMs, isTest = false } = input
  const { message } = delivery
  const { headers, body } = await payloadOf(message, endpoint.payloadFormat)
  const signed = {
    messageId: message.id,
    deliveryId: delivery.id,
    eventType: eventTypeOf(message),
    timestampSeconds: Math.floor(nowMs / 1000),
    body,
  }
  return {
    url: endpoint.url,
    method: endpoint.method,
    headers: [
      ...headers,
      ['user-agent', userAgent],
      // The message's id and not the delivery's: a receiver's check for duplicates holds over retries and replays alike.
      ['webhook-id', message.id],
      ...signatureHeaders(endpoint, signed),
      ['hookline-delivery-id', delivery.id],
      ['hookline-attempt', `${delivery.attemptNumber}`],
      ...typeHeader(message, headers),
      ...(isTest ? [testHeader] : []),
      ...endpoint.headers,
      ...(endpoint.authentication === null ? [] : [endpoint.authentication]),
    ],
    body,
    timeoutMs: endpoint.timeoutMs,
    signal,
  }
}

const testHeader: HeaderField = ['hookline-test', 'true']

/** Servers refuse requests with large heads, for a header that many receivers do without. */
const maxTypeCharacters = 2_048

/** None where the payload form has it in a header already, or the sender told no type: its payload may tell. */
function typeHeader({ eventType }: SentMessage, payloadHeaders: readonly HeaderField[]): HeaderField[] {
  if (eventType === null || payloadHeaders.some(([name]) => name === 'ce-type')) return []
  const value = encodeHeaderValue(eventType)
  return value.length > maxTypeCharacters ? [] : [['hookline-event-type', value]]
}
