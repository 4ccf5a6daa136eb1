/** The attributes of one event. */
export interface EventContext {
  /** Null only in the plain form, where a publisher may leave it out. */
  readonly id: string | null
  /** A URI reference; null only in the plain form. */
  readonly source: string | null
  readonly type: string
  readonly subject: string | null
  readonly time: Date | null
  readonly dataContentType: string | null
  /** An absolute URI. */
  readonly dataSchema: string | null
  readonly extensions: Readonly<Record<string, AttributeValue>>
}

/** Numbers are whole and have 32 bits. */
export type AttributeValue = string | number | boolean

export interface ParsedEvent {
  readonly context: EventContext
  /** The exact bytes: a slice of the JSON text, the decoded `data_base64` or string, or the body in binary mode. */
  readonly data: Buffer
}

/** What a request's events come to. Details are public sentences. */
export type Parsed =
  /** `isList`: whether a list was sent, of whatever length. */
  | { readonly kind: 'events'; readonly events: readonly ParsedEvent[]; readonly isList: boolean }
  | { readonly kind: 'malformed'; readonly detail: string }
  | { readonly kind: 'not-accepted'; readonly detail: string }

export function malformed(detail: string): { readonly kind: 'malformed'; readonly detail: string } {
  return { kind: 'malformed', detail }
}
