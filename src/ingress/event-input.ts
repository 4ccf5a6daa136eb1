import {
  type Attributes,
  type AttributeValue,
  checkAttributes,
  contextOf,
  coreAttributes,
  type ParsedEvent,
} from '../cloudevents/index.ts'
import type { Issue } from '../kernel/outcome.ts'
import { issue } from '../projects/input-checks.ts'

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

/** @param path of the event in the input; the issues' paths go on from it. */
export function checkEventInput(input: EventInput, path: readonly string[]): Issue[] {
  const found = checkAttributes(attributesOf(input), ['type'])
  return [
    ...checkExtensions(input.extensions, [...path, 'extensions']),
    ...found.map(({ attribute, code, message }) => ({ code, message, path: [...path, ...fieldOf(attribute)] })),
  ]
}

/** @param input of which `checkEventInput` found nothing wrong. */
export function eventOf(input: EventInput): ParsedEvent {
  return { context: contextOf(attributesOf(input)), data: bytesOf(input.data ?? {}) }
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
