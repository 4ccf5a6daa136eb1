import {
  type AttributeValue,
  binaryHeaders,
  type EventContext,
  isJsonData,
  modeOf,
  parseStructured,
  writeStructured,
} from '../cloudevents/index.ts'
import type { PayloadFormat } from '../endpoints/endpoint.entity.ts'
import type { HeaderField } from '../endpoints/index.ts'
import { unreachable } from '../kernel/unreachable.ts'
import { eventIdOf, eventSourceOf, eventTypeOf } from '../messages/event-defaults.ts'
import type { NewMessage } from '../messages/index.ts'

/*
 * The forms in which a message is sent. Its bytes are never built anew: as JSON they are spliced in as they are, and what
 * is not JSON goes in base64.
 *
 *   form                     Content-Type                                 body
 *   exact                    as received                                  as received
 *   cloudevents-structured   application/cloudevents+json; charset=utf-8  the event; `data`, else `data_base64`
 *   cloudevents-binary       that of the data                             the data; the event's attributes in `ce-*`
 *   envelope                 application/json                             {id, event_type, data, timestamp, source, version}
 *
 * Where nothing is known of the bytes, Content-Type is application/octet-stream.
 *
 * A message that came in as a structured CloudEvent holds its event's data within its body: the other forms send that
 * data alone, and the structured one sends the body as it came, unless the source's owner says otherwise of id, type or
 * subject. Times are written in UTC, to the millisecond.
 */

/** What of a message is sent. */
export interface SentMessage
  extends Pick<
    NewMessage,
    | 'id'
    | 'receivedAt'
    | 'contentType'
    | 'body'
    | 'eventId'
    | 'eventSource'
    | 'eventType'
    | 'eventSubject'
    | 'eventTime'
    | 'eventDataSchema'
    | 'eventExtensions'
  > {
  /** As its source is called now. */
  readonly sourceName: string
}

export interface Payload {
  /** What the body is. */
  readonly headers: readonly HeaderField[]
  readonly body: Buffer
}

/** Large bodies are looked through in turns with everybody else. */
export async function payloadOf(message: SentMessage, format: PayloadFormat): Promise<Payload> {
  switch (format) {
    case 'exact':
      return payload(message.contentType, message.body)
    case 'cloudevents-structured':
      return await structuredPayload(message)
    case 'cloudevents-binary':
      return binaryPayload(message)
    case 'envelope':
      return payload('application/json', await envelopeOf(message))
    default:
      return unreachable(format)
  }
}

function payload(contentType: string | null, body: Buffer, headers: readonly HeaderField[] = []): Payload {
  return { headers: [['content-type', contentType ?? 'application/octet-stream'], ...headers], body }
}

async function structuredPayload(message: SentMessage): Promise<Payload> {
  const { data, contentType, isWhole } = eventDataOf(message)
  if (isWhole) return payload(message.contentType, message.body)
  const event = await writeStructured(contextOf(message, contentType), data)
  return payload('application/cloudevents+json; charset=utf-8', event)
}

function binaryPayload(message: SentMessage): Payload {
  const { data, contentType } = eventDataOf(message)
  return payload(contentType, data, binaryHeaders(contextOf(message, contentType)))
}

/** Of the envelope's form: receivers can tell by it when a later one has other members. */
const envelopeVersion = '1.0'

/** `id` is the message's, as in `webhook-id`. What is not JSON is text in base64, and `data_encoding` says so. */
async function envelopeOf(message: SentMessage): Promise<Buffer> {
  const { data, contentType } = eventDataOf(message)
  const head = JSON.stringify({ id: message.id, event_type: eventTypeOf(message) })
  const tail = JSON.stringify({
    timestamp: timeOf(message).toISOString(),
    source: eventSourceOf(message, message.sourceName),
    version: envelopeVersion,
  })
  return Buffer.concat([
    Buffer.from(`${head.slice(0, -1)},"data":`),
    ...(await envelopeData(data, contentType)),
    Buffer.from(`,${tail.slice(1)}`),
  ])
}

async function envelopeData(data: Buffer, contentType: string | null): Promise<Buffer[]> {
  if (data.length === 0) return [Buffer.from('null')]
  if (await isJsonData(data, contentType)) return [data]
  return [Buffer.from(`"${data.toString('base64')}","data_encoding":"base64"`)]
}

interface EventData {
  readonly data: Buffer
  readonly contentType: string | null
  /** Whether the message's body is the event as it is known, in structured mode. */
  readonly isWhole: boolean
}

function eventDataOf(message: SentMessage): EventData {
  const { body, contentType, eventSource } = message
  const asItIs = { data: body, contentType, isWhole: false }
  if (eventSource === null || contentType === null || modeOf(contentType, {}) !== 'structured') return asItIs
  const parsed = parseStructured(body, contentType)
  const [event] = parsed.kind === 'events' ? parsed.events : []
  // An event that holds another one, of another source, as its data.
  if (event?.context.source !== eventSource) return asItIs
  const { id, type, subject, dataContentType } = event.context
  const isWhole = id === message.eventId && type === message.eventType && subject === message.eventSubject
  return { data: event.data, contentType: dataContentType, isWhole }
}

function contextOf(message: SentMessage, dataContentType: string | null): EventContext {
  const extensions: Record<string, AttributeValue> = JSON.parse(message.eventExtensions ?? '{}')
  return {
    id: eventIdOf(message),
    source: eventSourceOf(message, message.sourceName),
    type: eventTypeOf(message),
    subject: message.eventSubject,
    time: timeOf(message),
    dataContentType,
    dataSchema: message.eventDataSchema,
    extensions,
  }
}

function timeOf({ eventTime, receivedAt }: SentMessage): Date {
  return eventTime ?? receivedAt
}
