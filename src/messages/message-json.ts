import { textOf } from '../kernel/json.ts'
import type { Source } from '../sources/index.ts'
import { eventIdOf, eventSourceOf, eventTypeOf } from './event-defaults.ts'
import { headerFieldsOf, type StoredMessage } from './message.ts'

/** A message as plain HTTP shows it; the names and values are those of the GraphQL type `Message`. */
export function messageJson(message: StoredMessage, source: Pick<Source, 'id' | 'name'>): object {
  return {
    id: message.id,
    source: { id: source.id, name: source.name },
    sequence: message.sequence,
    receivedAt: message.receivedAt,
    method: message.method,
    path: message.path,
    query: message.query,
    headers: headerFieldsOf(message).map(([name, value]) => ({ name, value })),
    contentType: message.contentType,
    remoteAddress: message.remoteAddress,
    bodyBytes: message.body.length,
    body: message.body.toString('base64'),
    text: textOf(message.body),
    event: {
      id: eventIdOf(message),
      source: eventSourceOf(message, source.name),
      type: eventTypeOf(message),
      subject: message.eventSubject,
      time: message.eventTime,
      dataSchema: message.eventDataSchema,
      extensions: message.eventExtensions === null ? {} : JSON.parse(message.eventExtensions),
    },
    schemaViolation: message.schemaViolation,
  }
}
