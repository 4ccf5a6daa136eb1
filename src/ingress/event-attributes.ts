import type { IncomingHttpHeaders } from 'node:http'
import { modeOf, type Parsed, type ParsedEvent, parseBinary, parseStructured } from '../cloudevents/index.ts'
import type { ValueSelector } from '../kernel/value-selector.ts'
import type { Mapping } from '../signatures/index.ts'
import type { IngressSource } from '../sources/index.ts'
import { problem } from './answer.ts'
import type { Payload } from './payload.ts'
import { type Refused, refused } from './refused.ts'

/*
 * What a message says of its event. Three may say it, and for each attribute the first that does is heard:
 *
 *   the source's owner (mapping) ▸ the request itself (a declared CloudEvent) ▸ what is known of the provider (preset)
 *
 * The body is stored as it came, whatever is found in it.
 */

/** As in a message, besides what the event's data is. */
export interface EventAttributes {
  readonly kind: 'attributes'
  readonly id: string | null
  readonly source: string | null
  readonly type: string | null
  readonly subject: string | null
  readonly time: Date | null
  readonly dataSchema: string | null
  /** The JSON text of an object; null when there are none. */
  readonly extensions: string | null
  /** What the event type's schema describes. */
  readonly data: Buffer
  /** Where the id is the sender's own only together with the event's source. */
  readonly isIdOfSource: boolean
}

/** What attributes are looked for in. */
export interface EventRequest {
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
}

export function attributesOf(
  source: Pick<IngressSource, 'mapping' | 'ownMapping'>,
  request: EventRequest,
  payload: Payload,
): EventAttributes | Refused {
  const parsed = declaredEvent(request)
  const mapped = () => mappedAttributes(source.mapping, request, payload)
  if (parsed === null) return mapped()
  switch (parsed.kind) {
    case 'malformed':
      return refused('BODY_MALFORMED', problem(400, 'EVENT_MALFORMED', parsed.detail))
    case 'not-accepted':
      return refused('FORMAT_NOT_ACCEPTED', problem(415, 'FORMAT_NOT_ACCEPTED', parsed.detail))
    default:
  }
  const [event] = parsed.events
  if (event === undefined) return mapped()
  const attributes = declaredAttributes(event, mappedAttributes(source.ownMapping, request, payload))
  return attributes.subject === null ? { ...attributes, subject: mapped().subject } : attributes
}

const batchNotAccepted: Parsed = {
  kind: 'not-accepted',
  detail: 'One request is one message here. Publish batches of CloudEvents at /events/<source>, with an API key.',
}

/** @returns null when the request declares no CloudEvent. */
function declaredEvent({ headers, rawHeaders, body }: EventRequest): Parsed | null {
  const contentType = headers['content-type'] ?? null
  switch (modeOf(contentType, headers)) {
    case 'structured':
      return parseStructured(body, contentType ?? '')
    case 'binary':
      return parseBinary(body, contentType, rawHeaders)
    case 'batched':
      return batchNotAccepted
    default:
      return null
  }
}

function mappedAttributes(
  { id, type, subject }: Mapping,
  { headers, body }: EventRequest,
  payload: Payload,
): EventAttributes {
  return {
    kind: 'attributes',
    id: id === null ? null : select(id, maxLengths.id, headers, payload),
    source: null,
    type: type === null ? null : select(type, maxLengths.type, headers, payload),
    subject: subject === null ? null : select(subject, maxLengths.subject, headers, payload),
    time: null,
    dataSchema: null,
    extensions: null,
    data: body,
    isIdOfSource: false,
  }
}

function declaredAttributes({ context, data }: ParsedEvent, own: EventAttributes): EventAttributes {
  return {
    ...own,
    id: own.id ?? context.id,
    source: context.source,
    type: own.type ?? context.type,
    subject: own.subject ?? context.subject,
    time: context.time,
    dataSchema: context.dataSchema,
    extensions: Object.keys(context.extensions).length === 0 ? null : JSON.stringify(context.extensions),
    data,
    isIdOfSource: own.id === null,
  }
}

/** In characters. What is longer is no such thing, and is left out. */
const maxLengths = { id: 1_024, type: 256, subject: 1_024 }

function select(
  selector: ValueSelector,
  maxLength: number,
  headers: EventRequest['headers'],
  payload: Payload,
): string | null {
  const text = selectedText(selector, headers, payload)
  if (text === null || text === '' || text.length > maxLength) return null
  // PostgreSQL's text holds neither.
  return text.includes('\0') || !text.isWellFormed() ? null : text
}

function selectedText(selector: ValueSelector, headers: EventRequest['headers'], payload: Payload): string | null {
  if ('firstOf' in selector) {
    const texts = selector.firstOf.map((place) => selectedText(place, headers, payload))
    return texts.find((text) => text !== null) ?? null
  }
  if ('constant' in selector) return selector.constant
  if ('pointer' in selector) return payload.textAt(selector.pointer)
  const value = headers[selector.header.toLowerCase()]
  return typeof value === 'string' ? value : null
}
