import { textOf } from '../kernel/json.ts'
import { numberTextIn, parseWithDigits, valueAt } from '../kernel/json-pointer.ts'
import { eventIdOf, eventSourceOf, eventTypeOf } from './event-defaults.ts'
import { headerFieldsOf, type StoredMessage } from './message.ts'
import { parsedPayload } from './payload.ts'

/** What filters look at, which may be without its body. */
export type FilterableMessage = Omit<StoredMessage, 'body' | 'sizeBytes'> & { readonly body: Buffer | null }

/** A message as filters see it. What takes work is done when it is first asked for, and once, for any number of filters. */
export interface FilteredMessage {
  /** A CloudEvents attribute as text; null when it is absent. */
  attribute(name: string): string | null
  /**
   * The values of a header field, in the order received.
   *
   * @param name in lower case.
   */
  headers(name: string): readonly string[]
  /** What stands at a place in the parsed payload; undefined when nothing does. */
  payloadAt(names: readonly string[]): unknown
  /** The digits of a number that `payloadAt` finds, as they were written. Reads the body a second time, once. */
  numberTextAt(names: readonly string[]): string | null
}

const noBody = Buffer.alloc(0)

/** @param sourceName of the message's source, for messages that say nothing of theirs. */
export function filteredMessage(message: FilterableMessage, sourceName: string): FilteredMessage {
  const { body } = message
  const extensions = once(() => extensionsOf(message))
  const headers = once(() => Map.groupBy(headerFieldsOf(message), ([name]) => name.toLowerCase()))
  const payload = once(() => (body === null ? undefined : parsedPayload({ ...message, body })))
  const withDigits = once(() => parseWithDigits(textOf(body ?? noBody) ?? ''))
  return {
    attribute: (name) => contextAttribute(message, sourceName, name) ?? extensions().get(name) ?? null,
    headers: (name) =>
      headers()
        .get(name)
        ?.map(([, value]) => value) ?? [],
    payloadAt: (names) => valueAt(payload(), names),
    numberTextAt: (names) => numberTextIn(withDigits(), names),
  }
}

// As Message.event shows them.
function contextAttribute(message: FilterableMessage, sourceName: string, name: string): string | null {
  switch (name) {
    case 'id':
      return eventIdOf(message)
    case 'source':
      return eventSourceOf(message, sourceName)
    case 'type':
      return eventTypeOf(message)
    case 'subject':
      return message.eventSubject
    case 'time':
      return message.eventTime?.toISOString() ?? null
    case 'datacontenttype':
      return message.contentType
    case 'dataschema':
      return message.eventDataSchema
    case 'specversion':
      return '1.0'
    default:
      return null
  }
}

function extensionsOf({ eventExtensions }: FilterableMessage): ReadonlyMap<string, string> {
  if (eventExtensions === null) return new Map()
  const extensions: Record<string, unknown> = JSON.parse(eventExtensions)
  return new Map(Object.entries(extensions).map(([name, value]) => [name, String(value)]))
}

function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | null = null
  return () => {
    made ??= { value: make() }
    return made.value
  }
}
