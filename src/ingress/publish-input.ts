import type { Reach } from '../auth/index.ts'
import {
  type Attributes,
  type AttributeValue,
  checkAttributes,
  contextOf,
  coreAttributes,
  maxBatchEvents,
  type ParsedEvent,
} from '../cloudevents/index.ts'
import { done, type Issue, invalid, type Outcome } from '../kernel/outcome.ts'
import { issue } from '../projects/input-checks.ts'
import type { EventPublisher, Publication, PublishedEvent, Violation } from './publish-events.ts'

type Maybe<Value> = Value | null | undefined

/** An event as a caller of the API gives it. */
export interface EventInput {
  readonly id?: Maybe<string>
  readonly type: string
  /** Default `/sources/<name>`. */
  readonly source?: Maybe<string>
  readonly subject?: Maybe<string>
  /** Default now. */
  readonly time?: Maybe<Date>
  /** Default as `data` is given. */
  readonly dataContentType?: Maybe<string>
  readonly dataSchema?: Maybe<string>
  /** An object of names and simple values. */
  readonly extensions?: unknown
  readonly data?: Maybe<BodyInput>
}

/** One of these. */
export interface BodyInput {
  /** Whatever `JSON.stringify` writes. */
  readonly json?: unknown
  readonly text?: Maybe<string>
  readonly bytes?: Maybe<Buffer>
}

export interface PublishEventsInput {
  readonly sourceId: string
  /** 1 to 500. */
  readonly events: readonly EventInput[]
}

/** That the events are not taken now: worth a repetition. */
export interface Busy {
  readonly kind: 'busy'
  /** A sentence for the publisher. */
  readonly message: string
  readonly retryAfterMs: number
}

/** Publishes what a caller of the API gives: all of it or, when anything is wrong with it, none. */
export async function publishInput(
  publisher: EventPublisher,
  reach: Reach,
  { sourceId, events }: PublishEventsInput,
): Promise<Outcome<readonly PublishedEvent[]> | Busy> {
  const notFound = { kind: 'not-found', id: sourceId, path: ['input', 'sourceId'] } as const
  const source = sourceId.startsWith('src_') ? await publisher.findSource(reach, sourceId) : null
  if (source === null) return notFound
  const rate = await publisher.countRequest(source)
  if (!rate.isAllowed) return busy('This source or its project takes no more requests for now.', rate.retryAfterSeconds)
  const read = readInputs(events)
  const failure = invalid(read.issues)
  if (failure !== null) return failure
  const from = { idempotencyKey: null, query: null, headersText: '[]', remoteAddress: '' }
  const publication = await publisher.publish(source, read.events, from)
  switch (publication.kind) {
    case 'published':
      return done(publication.events)
    case 'source-gone':
      return notFound
    case 'overloaded':
      return busy('Too many messages wait to be stored.', 1)
    case 'unavailable':
      return busy('The database does not answer.', 2)
    default:
      return { kind: 'invalid', issues: issuesOf(publication) }
  }
}

function busy(why: string, retryAfterSeconds: number): Busy {
  return { kind: 'busy', message: `${why} Nothing was stored.`, retryAfterMs: retryAfterSeconds * 1_000 }
}

const eventsPath = ['input', 'events']

function readInputs(inputs: readonly EventInput[]): { issues: Issue[]; events: ParsedEvent[] } {
  if (inputs.length === 0 || inputs.length > maxBatchEvents) {
    const message = `1 to ${maxBatchEvents} events can be published at once.`
    return { issues: [issue('OUT_OF_RANGE', eventsPath, message)], events: [] }
  }
  const all = inputs.map(attributesOf)
  const issues = all.flatMap((attributes, place) => issuesOfEvent(attributes, inputs[place]?.extensions, place))
  if (issues.length > 0) return { issues, events: [] }
  const events = all.map((attributes, place) => ({
    context: contextOf(attributes),
    data: bytesOf(inputs[place]?.data ?? {}),
  }))
  return { issues: [], events }
}

function attributesOf(input: EventInput): Attributes {
  const data = input.data ?? null
  const given: [string, AttributeValue | null | undefined][] = [
    ...extensionsOf(input.extensions),
    ['id', input.id],
    ['type', input.type],
    ['source', input.source],
    ['subject', input.subject],
    ['time', input.time?.toISOString()],
    ['datacontenttype', input.dataContentType ?? (data === null ? null : mediaTypeOf(data))],
    ['dataschema', input.dataSchema],
  ]
  const attributes = new Map<string, AttributeValue>()
  for (const [name, value] of given) if (value !== null && value !== undefined) attributes.set(name, value)
  return attributes
}

/** The simple values; of others it is told that they are none. */
function extensionsOf(extensions: unknown): [string, AttributeValue][] {
  if (!isObject(extensions)) return []
  return Object.entries(extensions).filter((entry): entry is [string, AttributeValue] => isSimple(entry[1]))
}

function isSimple(value: unknown): value is AttributeValue {
  return ['string', 'number', 'boolean'].includes(typeof value)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function issuesOfEvent(attributes: Attributes, extensions: unknown, place: number): Issue[] {
  const path = [...eventsPath, `${place}`]
  const found = checkAttributes(attributes, ['type'])
  return [
    ...checkExtensions(extensions, [...path, 'extensions']),
    ...found.map(({ attribute, code, message }) => ({ code, message, path: [...path, ...fieldOf(attribute)] })),
  ]
}

/** What attributes cannot show: whether these are names and simple values at all. */
function checkExtensions(extensions: unknown, path: readonly string[]): Issue[] {
  if (extensions === null || extensions === undefined) return []
  if (!isObject(extensions)) return [issue('MALFORMED', path, 'Extensions are an object of names and values.')]
  return Object.entries(extensions).flatMap(([name, value]) => {
    if (coreAttributes.has(name)) return [issue('MALFORMED', [...path, name], `\`${name}\` is no extension.`)]
    if (value === null || isSimple(value)) return []
    return [issue('MALFORMED', [...path, name], 'An extension is a string, a whole number or a boolean.')]
  })
}

const fieldOfAttribute: ReadonlyMap<string, string> = new Map([
  ...['id', 'type', 'source', 'subject', 'time', 'extensions'].map((name) => [name, name] as const),
  ['datacontenttype', 'dataContentType'],
  ['dataschema', 'dataSchema'],
])

function fieldOf(attribute: string): string[] {
  const field = fieldOfAttribute.get(attribute)
  return field === undefined ? ['extensions', attribute] : [field]
}

function mediaTypeOf({ text, bytes }: BodyInput): string {
  if (text !== null && text !== undefined) return 'text/plain'
  return bytes ? 'application/octet-stream' : 'application/json'
}

function bytesOf({ json, text, bytes }: BodyInput): Buffer {
  if (text !== null && text !== undefined) return Buffer.from(text)
  if (bytes) return bytes
  return json === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(json))
}

function issuesOf(
  publication: Extract<Publication, { kind: 'too-large' | 'schema-violated' | 'unstorable' | 'key-reused' }>,
): [Issue, ...Issue[]] {
  switch (publication.kind) {
    case 'too-large': {
      const { place, maxBytes } = publication
      const path = place === null ? eventsPath : [...eventsPath, `${place}`, 'data']
      return [issue('OUT_OF_RANGE', path, `This source takes at most ${maxBytes} bytes here.`)]
    }
    case 'schema-violated': {
      const [first, ...others] = publication.violations
      return [violationIssue(first), ...others.map(violationIssue)]
    }
    default:
      return [issue('MALFORMED', eventsPath, 'The database cannot hold these events as they are.')]
  }
}

function violationIssue({ place, detail }: Violation): Issue {
  return issue('SCHEMA_VIOLATED', [...eventsPath, `${place}`, 'data'], detail)
}
