import { checkAttributes, contextOf } from './attributes.ts'
import { malformed, type Parsed } from './event.ts'
import { decodeHeaderValue } from './header-value.ts'

export type ContentMode = 'binary' | 'structured' | 'batched'

const prefix = 'ce-'
/** One of these is enough: a request that has not all of them is an event that is malformed. */
const tellTaleHeaders = ['ce-specversion', 'ce-id', 'ce-source', 'ce-type']

/**
 * The mode in which a request declares CloudEvents.
 *
 * @param headers by lower-case name.
 * @returns null when it declares none.
 * @see HTTP Protocol Binding for CloudEvents 1.0.2, section 3
 */
export function modeOf(contentType: string | null, headers: NodeJS.Dict<string | string[]>): ContentMode | null {
  if (/^application\/cloudevents-batch/i.test(contentType ?? '')) return 'batched'
  if (/^application\/cloudevents/i.test(contentType ?? '')) return 'structured'
  return tellTaleHeaders.some((name) => headers[name] !== undefined) ? 'binary' : null
}

/**
 * Reads an event whose attributes are header fields and whose data is the body.
 *
 * @param rawHeaders names and values in turns, as they came: joined ones would hide that a field is there twice.
 */
export function parseBinary(body: Buffer, contentType: string | null, rawHeaders: readonly string[]): Parsed {
  const attributes = new Map<string, string>()
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const header = rawHeaders[index]?.toLowerCase() ?? ''
    if (!header.startsWith(prefix)) continue
    const name = header.slice(prefix.length)
    if (name === 'datacontenttype')
      return malformed('In binary mode Content-Type says it; ce-datacontenttype must not.')
    if (attributes.has(name)) return malformed(`The header ${header.slice(0, 64)} is there twice.`)
    const value = decodeHeaderValue(rawHeaders[index + 1] ?? '')
    if (value === null) return malformed(`The header ${header.slice(0, 64)} is not percent-encoded UTF-8.`)
    attributes.set(name, value)
  }
  if (contentType !== null) attributes.set('datacontenttype', contentType)
  const [wrong] = checkAttributes(attributes)
  return wrong === undefined
    ? { kind: 'events', events: [{ context: contextOf(attributes), data: body }], isList: false }
    : malformed(wrong.message)
}
