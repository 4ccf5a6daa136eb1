import type { FieldReader } from './header-fields.ts'
import { ReceiverError } from './receiver-error.ts'

/** An event whose signature holds. */
export interface ReceivedEvent<Payload = unknown> {
  /** The message's id, the same on every attempt and replay: what duplicates are known by. */
  readonly id: string
  /** When this attempt was made, by the sender's clock. */
  readonly timestamp: Date
  /**
   * The event's type; empty when nothing tells it. Of a CloudEvent in JSON and of the plain envelope it is the one in the
   * body, which is signed. Else it is from the first of: the headers `ce-type`, `X-Webhook-Event` and
   * `hookline-event-type`, the payload's `type`, its `event_type`. Signatures cover no headers but id and time, so that
   * of those three only the connection vouches.
   */
  readonly type: string
  /** The payload, byte for byte as it was sent. */
  readonly body: Uint8Array
  /**
   * The payload read as JSON, when first asked for. That it is a `Payload` is the sender's word, not checked here.
   *
   * @throws ReceiverError PAYLOAD_MALFORMED when it is no JSON in UTF-8.
   */
  json(): Payload
  /** A header field of the request, such as `hookline-attempt`; null when it is absent. Not signed. */
  header(name: string): string | null
}

interface EventParts {
  readonly id: string
  readonly timestampSeconds: number
  readonly body: Uint8Array
  readonly field: FieldReader
}

export function receivedEvent({ id, timestampSeconds, body, field }: EventParts): ReceivedEvent {
  const json = once(() => parse(body))
  const type = once(() => typeOf(objectOf(json), id, field))
  return {
    id,
    timestamp: new Date(timestampSeconds * 1_000),
    get type() {
      return type()
    },
    body,
    json,
    header: (name) => field(name.toLowerCase()),
  }
}

function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | null = null
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch (cause) {
    throw new ReceiverError('PAYLOAD_MALFORMED', 'The payload is no JSON.', { cause })
  }
}

function typeOf(payload: Payload, id: string, field: FieldReader): string {
  return typeByForm(payload, id, field('content-type') ?? '') ?? typeByHeaders(field) ?? typeByPayload(payload)
}

/** What is looked for in payloads. */
interface Payload {
  readonly id?: unknown
  readonly type?: unknown
  readonly specversion?: unknown
  readonly event_type?: unknown
  readonly version?: unknown
}

/** Empty for what is no JSON object. */
function objectOf(json: () => unknown): Payload {
  try {
    return Object(json())
  } catch {
    return {}
  }
}

/**
 * The type as the sender's payload form has it in the body; null where the form has it elsewhere. Data may look like an
 * event, too: what tells them apart is the id, which is Hookline's and signed, or for a CloudEvent with an id of its own
 * what Content-Type says.
 */
function typeByForm(payload: Payload, sentId: string, contentType: string): string | null {
  const isOurs = payload.id === sentId
  const isDeclared = /^application\/cloudevents(?!-batch)/i.test(contentType)
  const isEvent = typeof payload.specversion === 'string' && (isOurs || isDeclared)
  const isEnvelope = typeof payload.version === 'string' && isOurs
  if (isEvent && typeof payload.type === 'string') return payload.type
  return isEnvelope && typeof payload.event_type === 'string' ? payload.event_type : null
}

function typeByHeaders(field: FieldReader): string | null {
  const type = field('ce-type') ?? field('x-webhook-event') ?? field('hookline-event-type')
  if (type === null) return null
  try {
    // CloudEvents percent-encodes what is not ASCII.
    return decodeURIComponent(type)
  } catch {
    return type
  }
}

function typeByPayload({ type, event_type: eventType }: Payload): string {
  if (typeof type === 'string') return type
  return typeof eventType === 'string' ? eventType : ''
}
