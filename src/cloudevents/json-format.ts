import { isUtf8 } from 'node:buffer'
import { isJsonType, type MediaType, parseMediaType } from '../kernel/media-type.ts'
import { createTurns } from '../kernel/turn.ts'
import { checkAttributes, contextOf } from './attributes.ts'
import { type AttributeValue, malformed, type Parsed, type ParsedEvent } from './event.ts'
import { firstCharacter, itemsOf, type Member, membersAt, membersOf, type Span } from './json-spans.ts'

/*
 * The JSON event format and the JSON batch format of CloudEvents 1.0.2, and the plain form of ours: the same members, of
 * which only `type` must be there, and `timestamp` may stand for `time` as in the payload of Standard Webhooks.
 */

/** A batch is stored at once. */
export const maxBatchEvents = 500
/** Of one event, those that are null included: all attributes and the data fit, and no body can hold millions of them. */
const maxMembers = 128

/** @param contentType as the header has it; formats other than JSON are not accepted. */
export function parseStructured(body: Buffer, contentType: string): Parsed {
  const text = textOf(body, contentType, 'application/cloudevents+json')
  return typeof text === 'string' ? one(readEvent(text, strict)) : text
}

/** An empty batch is valid: there are no events. Between events others have their turn. */
export async function parseBatch(body: Buffer, contentType: string): Promise<Parsed> {
  const text = textOf(body, contentType, 'application/cloudevents-batch+json')
  return typeof text === 'string' ? await parseList(text, strict) : text
}

/** One event in the plain form, or a list of these. Between events others have their turn. */
export async function parsePlain(body: Buffer, contentType: string): Promise<Parsed> {
  const text = textOf(body, contentType, 'application/json')
  if (typeof text !== 'string') return text
  return firstCharacter(text) === '[' ? await parseList(text, plain) : one(readEvent(text, plain))
}

/** What the members of an event must be like. */
interface Form {
  readonly required: readonly string[]
  readonly aliases: ReadonlyMap<string, string>
}

const strict: Form = { required: ['id', 'source', 'specversion', 'type'], aliases: new Map() }
const plain: Form = { required: ['type'], aliases: new Map([['timestamp', 'time']]) }

function textOf(body: Buffer, contentType: string, accepted: string): string | Parsed {
  const type = parseMediaType(contentType)
  const isAccepted = type?.essence === accepted || (accepted === 'application/json' && type && isJsonType(type))
  if (!isAccepted) return { kind: 'not-accepted', detail: `This format is not read here; send ${accepted}.` }
  if (!['utf-8', 'utf8', 'us-ascii', null].includes(type?.charset ?? null))
    return { kind: 'not-accepted', detail: 'Events are read as UTF-8 only.' }
  return isUtf8(body) ? body.toString().replace(/^\ufeff/, '') : malformed('The body is not UTF-8.')
}

function one(event: ParsedEvent | string): Parsed {
  return typeof event === 'string' ? malformed(event) : { kind: 'events', events: [event], isList: false }
}

async function parseList(text: string, form: Form): Promise<Parsed> {
  const turns = createTurns()
  const events: ParsedEvent[] = []
  const items = itemsOf(text, (at) => readEventAt(text, at, form))
  for (let next = items.next(); ; next = items.next()) {
    if (next.done && !next.value) return malformed('The body is not a JSON list.')
    if (next.done) return { kind: 'events', events, isList: true }
    if (events.length === maxBatchEvents) return malformed(`At most ${maxBatchEvents} events can be sent at once.`)
    const { event } = next.value
    if (typeof event === 'string') return malformed(`Event ${events.length}, counted from 0: ${event}`)
    events.push(event)
    await turns()
  }
}

function readEventAt(text: string, at: number, form: Form): Span & { readonly event: ParsedEvent | string } {
  const found = membersAt(text, at, maxMembers)
  if (found === null) return { start: at, end: at, event: notAnObject }
  return { start: at, end: found.end, event: eventOf(text, found.members, form) }
}

const notAnObject = 'An event is a JSON object.'

/** @returns the event, or a sentence that says what is wrong with it. */
function readEvent(text: string, form: Form): ParsedEvent | string {
  const members = membersOf(text, maxMembers)
  return members === null ? notAnObject : eventOf(text, members, form)
}

function eventOf(text: string, members: readonly Member[], form: Form): ParsedEvent | string {
  if (members.length > maxMembers) return `An event has at most ${maxMembers} members.`
  const sorted = sortMembers(text, members, form)
  if (typeof sorted === 'string') return sorted
  const [wrong] = checkAttributes(sorted.attributes, form.required)
  if (wrong !== undefined) return wrong.message
  const context = contextOf(sorted.attributes)
  const data = readData(sorted, context.dataContentType)
  if (!Buffer.isBuffer(data)) return data
  // An event without a data type has data in JSON; said outright, that holds wherever the event goes.
  const isJson = context.dataContentType === null && sorted.data !== null
  return { context: isJson ? { ...context, dataContentType: 'application/json' } : context, data }
}

interface Sorted {
  readonly attributes: Map<string, AttributeValue>
  /** JSON texts; null when there is no such member. */
  data: string | null
  base64: string | null
}

function sortMembers(text: string, members: readonly Member[], form: Form): Sorted | string {
  const sorted: Sorted = { attributes: new Map(), data: null, base64: null }
  const names = new Set<string>()
  for (const { name: spelled, start, end } of members) {
    const name = form.aliases.get(spelled) ?? spelled
    if (names.has(name)) return `\`${name.slice(0, 64)}\` is there twice.`
    names.add(name)
    const json = text.slice(start, end)
    if (name === 'data') sorted.data = json
    else if (json === 'null') continue
    else if (name === 'data_base64') sorted.base64 = json
    else {
      const value = attributeOf(json)
      if (value === null) return `\`${name.slice(0, 64)}\` must be a string, a whole number or a boolean.`
      sorted.attributes.set(name, value)
    }
  }
  return sorted
}

function attributeOf(json: string): AttributeValue | null {
  if (json.startsWith('"') || json === 'true' || json === 'false' || /^-?\d+$/.test(json)) return JSON.parse(json)
  return null
}

/** @returns the bytes, or a sentence that says what is wrong. */
function readData({ data, base64 }: Sorted, contentType: string | null): Buffer | string {
  if (data !== null && base64 !== null) return 'An event has `data` or `data_base64`, not both.'
  if (base64 !== null) return decodeBase64(base64) ?? '`data_base64` must be a string in base64, padded.'
  if (data === null) return Buffer.alloc(0)
  const type = contentType === null ? null : parseMediaType(contentType)
  if (type === null || isJsonType(type)) return Buffer.from(data)
  if (data === 'null') return Buffer.alloc(0)
  const text: unknown = data.startsWith('"') ? JSON.parse(data) : null
  if (typeof text !== 'string') return `\`data\` of the type ${type.essence} is a string, or stands in \`data_base64\`.`
  if (!text.isWellFormed()) return '`data` holds half a surrogate pair, which no text can.'
  return encodeText(text, type)
}

// The bytes are stored and sent on beside the type that names their encoding.
function encodeText(text: string, { charset }: MediaType): Buffer | string {
  if (['utf-8', 'utf8', null].includes(charset)) return Buffer.from(text)
  if (charset === 'us-ascii' && /^[\0-\x7f]*$/.test(text)) return Buffer.from(text)
  if (charset === 'iso-8859-1' && /^[\0-\xff]*$/.test(text)) return Buffer.from(text, 'latin1')
  return `\`data\` cannot be written in the encoding ${charset?.slice(0, 64)} here: send it as \`data_base64\`.`
}

function decodeBase64(json: string): Buffer | null {
  const text: unknown = json.startsWith('"') ? JSON.parse(json) : null
  if (typeof text !== 'string' || text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null
  return Buffer.from(text, 'base64')
}
