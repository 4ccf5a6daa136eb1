import { parseRfc3339 } from '../kernel/date-time.ts'
import { parseMediaType } from '../kernel/media-type.ts'
import type { AttributeValue, EventContext } from './event.ts'

/*
 * The rules of CloudEvents 1.0.2 for names, types and values of attributes, with bounds of ours where it gives none.
 */

/** By name, as CloudEvents spells it. An attribute that is not set has no entry. */
export type Attributes = ReadonlyMap<string, AttributeValue>

/** What is wrong with one attribute. */
export interface AttributeIssue {
  readonly attribute: string
  readonly code: 'REQUIRED' | 'MALFORMED' | 'OUT_OF_RANGE'
  /** A sentence for people; public. */
  readonly message: string
}

/** Of one value, in UTF-16 units: with all the others it must fit into the header of a delivery. */
const maxValueLength = 2_048
const maxNameLength = 64
const maxExtensions = 64

const requiredNames = ['id', 'source', 'specversion', 'type']
/** The attributes that every event may have; all others are extensions. */
export const coreAttributes: ReadonlySet<string> = new Set([
  ...requiredNames,
  'subject',
  'time',
  'datacontenttype',
  'dataschema',
])
const notText = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u
const allNotText = new RegExp(notText, 'gu')
const uriCharacters =
  /^(?:[\w\-.~:/?[\]@!$&'()*+,;=]|%[\dA-Fa-f]{2})*(?:#(?:[\w\-.~:/?@!$&'()*+,;=]|%[\dA-Fa-f]{2})*)?$/
const scheme = /^[A-Za-z][A-Za-z\d+.-]*:/

/**
 * Checks the attributes of one event.
 *
 * @param required which of id, source, specversion and type must be there; the others of these may be.
 * @returns all that is wrong; empty when `contextOf` can be asked.
 */
export function checkAttributes(attributes: Attributes, required: readonly string[] = requiredNames): AttributeIssue[] {
  const missing = required.filter((name) => !attributes.has(name)).map((name) => issue('REQUIRED', name, 'is missing'))
  const wrong = [...attributes].map(([name, value]) => checkAttribute(name, value)).filter((found) => found !== null)
  const extensions = [...attributes.keys()].filter((name) => !coreAttributes.has(name)).length
  const tooMany = issue('OUT_OF_RANGE', 'extensions', `are ${extensions}; an event has at most ${maxExtensions}`)
  return [...missing, ...wrong, ...(extensions > maxExtensions ? [tooMany] : [])]
}

/** The context that attributes without issues make. */
export function contextOf(attributes: Attributes): EventContext {
  const text = (name: string) => attributes.get(name)?.toString() ?? null
  const extensions = [...attributes].filter(([name]) => !coreAttributes.has(name))
  return {
    id: text('id'),
    source: text('source'),
    type: text('type') ?? '',
    subject: text('subject'),
    time: parseRfc3339(text('time') ?? ''),
    dataContentType: text('datacontenttype'),
    dataSchema: text('dataschema'),
    extensions: Object.fromEntries(extensions),
  }
}

/** A text from elsewhere as an attribute may hold it: U+FFFD stands for each character that CloudEvents excludes. */
export function attributeText(text: string): string {
  return text.replaceAll(allNotText, '\ufffd')
}

function checkAttribute(name: string, value: AttributeValue): AttributeIssue | null {
  if (name.length > maxNameLength || name === 'data' || !/^[a-z0-9]+$/.test(name))
    return issue('MALFORMED', shown(name), `is no attribute's name: these are a-z and 0-9, at most ${maxNameLength}`)
  const wrongValue = checkValue(value)
  if (wrongValue !== null) return issue('MALFORMED', name, wrongValue)
  if (String(value).length > maxValueLength)
    return issue('OUT_OF_RANGE', name, `is over ${maxValueLength.toLocaleString('en')} characters`)
  if (!coreAttributes.has(name)) return null
  const problem = typeof value === 'string' ? checkCoreText(name, value) : 'must be a string'
  return problem === null ? null : issue('MALFORMED', name, problem)
}

function checkValue(value: AttributeValue): string | null {
  if (typeof value === 'number') return value === (value | 0) ? null : 'must be a whole number of 32 bits'
  return typeof value === 'string' && notText.test(value)
    ? 'holds a control character, a noncharacter or half a surrogate pair'
    : null
}

function checkCoreText(name: string, text: string): string | null {
  if (text === '') return 'must not be empty'
  switch (name) {
    case 'specversion':
      return text === '1.0' ? null : 'must be 1.0'
    case 'source':
      return isUriReference(text) ? null : 'must be a URI reference'
    case 'dataschema':
      return isUriReference(text) && scheme.test(text) ? null : 'must be an absolute URI'
    case 'time':
      return parseRfc3339(text) === null ? 'must be an RFC 3339 time, such as 2026-11-22T00:31:00Z' : null
    case 'datacontenttype':
      return parseMediaType(text) === null ? 'must be a media type, such as application/json' : null
    default:
      return null
  }
}

// What stands before the first colon of a reference is a scheme, unless a slash, query or fragment came first.
function isUriReference(text: string): boolean {
  return uriCharacters.test(text) && (scheme.test(text) || !/^[^/?#]*:/.test(text))
}

function issue(code: AttributeIssue['code'], attribute: string, what: string): AttributeIssue {
  return { attribute, code, message: `\`${attribute}\` ${what}.` }
}

// A name can be anything of any length, and goes into an answer.
function shown(name: string): string {
  const short = name.length > maxNameLength ? `${name.slice(0, maxNameLength)}…` : name
  return short.replaceAll(allNotText, '?')
}
