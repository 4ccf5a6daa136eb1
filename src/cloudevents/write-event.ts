import { isUtf8 } from 'node:buffer'
import { isJsonType, parseMediaType } from '../kernel/media-type.ts'
import { attributeText } from './attributes.ts'
import type { AttributeValue, EventContext } from './event.ts'
import { encodeHeaderValue } from './header-value.ts'
import { isJsonText } from './json-spans.ts'

/*
 * Writes an event, so that its data arrives byte for byte: in binary mode it is the body; in structured mode JSON is
 * spliced in as it is, with its numbers, white space and repeated names, and all else goes in base64.
 */

/** What stands before and after the data in a JSON text, so that the bytes between can stay as they are. */
const dataMember = Buffer.from(',"data":')
const end = Buffer.from('}')

/** The body of an event in structured mode. @see JSON Event Format for CloudEvents 1.0.2, section 3 */
export async function writeStructured(context: EventContext, data: Buffer): Promise<Buffer> {
  const attributes = Object.fromEntries(attributesOf(context))
  const head = JSON.stringify(attributes).slice(0, -1)
  if (data.length === 0) return Buffer.from(`${head}}`)
  if (await isJsonData(data, context.dataContentType)) return Buffer.concat([Buffer.from(head), dataMember, data, end])
  return Buffer.from(`${head},"data_base64":"${data.toString('base64')}"}`)
}

/**
 * The header fields of an event in binary mode, but for Content-Type, which says what the data is.
 *
 * @see HTTP Protocol Binding for CloudEvents 1.0.2, section 3.1.3
 */
export function binaryHeaders(context: EventContext): [name: string, value: string][] {
  return attributesOf(context)
    .filter(([name]) => name !== 'datacontenttype')
    .map(([name, value]) => [`ce-${name}`, encodeHeaderValue(String(value))])
}

/**
 * Whether the bytes are what their type says: exactly one JSON value in UTF-8, which may stand in another. While it looks
 * through large ones, others have their turn.
 */
export async function isJsonData(data: Buffer, contentType: string | null): Promise<boolean> {
  const type = parseMediaType(contentType ?? '')
  if (type === null || !isJsonType(type)) return false
  const isText = ['utf-8', 'utf8', 'us-ascii', null].includes(type.charset) && isUtf8(data)
  return isText && (await isJsonText(data.toString()))
}

function attributesOf({ extensions, ...context }: EventContext): [name: string, value: AttributeValue][] {
  const { dataContentType } = context
  const core: [string, string | null][] = [
    ['specversion', '1.0'],
    ['id', context.id],
    ['source', context.source],
    ['type', context.type],
    ['subject', context.subject],
    ['time', context.time?.toISOString() ?? null],
    // A sender may claim anything; what is no media type would make the event invalid.
    ['datacontenttype', parseMediaType(dataContentType ?? '') === null ? null : dataContentType],
    ['dataschema', context.dataSchema],
  ]
  return [...core, ...Object.entries(extensions)].flatMap(([name, value]) =>
    value === null ? [] : [[name, typeof value === 'string' ? attributeText(value) : value]],
  )
}
