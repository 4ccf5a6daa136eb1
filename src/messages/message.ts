import type { MessageId, ProjectId, SourceId } from '../kernel/ids.ts'

/** What came in with one request, before it has a place in its source's log. */
export interface NewMessage {
  readonly id: MessageId
  readonly projectId: ProjectId
  readonly sourceId: SourceId
  readonly receivedAt: Date
  readonly method: string
  /** What followed the source's address; null when nothing did. */
  readonly path: string | null
  /** Without `?`; null when there was none. */
  readonly query: string | null
  /** The header fields in the order received, as the JSON text of a list of name and value pairs. */
  readonly headersText: string
  readonly contentType: string | null
  readonly remoteAddress: string
  readonly body: Buffer
  readonly eventId: string | null
  readonly eventSource: string | null
  readonly eventType: string | null
  readonly eventSubject: string | null
  readonly eventTime: Date | null
  /** An absolute URI. */
  readonly eventDataSchema: string | null
  /** CloudEvents extension attributes, as the JSON text of an object; null when there are none. */
  readonly eventExtensions: string | null
  /** How it breaks the schema of its type, where that is only noted. */
  readonly schemaViolation: string | null
}

/** One message of a source's log. Never changes. */
export interface StoredMessage extends NewMessage {
  /** 1, 2, 3 … per source, dense, in the order of commit. */
  readonly sequence: number
  /** About what the message takes in memory, for limits in bytes. */
  readonly sizeBytes: number
}

export type HeaderField = readonly [name: string, value: string]

export function headerFieldsOf(message: Pick<NewMessage, 'headersText'>): HeaderField[] {
  return JSON.parse(message.headersText)
}
