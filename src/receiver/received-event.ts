import type { FieldReader } from './header-fields.ts'
import { ReceiverError } from './receiver-error.ts'

/** An event whose signature holds. */
export interface ReceivedEvent<Payload = unknown> {
  /** The message's id, the same on every attempt and replay: what duplicates are known by. */
  readonly id: string
  /** When this attempt was made, by the sender's clock. */
  readonly timestamp: Date
  /**
   * The event's type; empty when nothing tells it. From the first of: the headers `ce-type`, `X-Webhook-Event` and
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
  const type = once(() => typeByHeaders(field) ?? typeByPayload(json))
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

function typeByPayload(json: () => unknown): string {
  try {
    const { type, event_type: eventType } = Object(json()) as { readonly type?: unknown; readonly event_type?: unknown }
    if (typeof type === 'string') return type
    return typeof eventType === 'string' ? eventType : ''
  } catch {
    return ''
  }
}
