import { parseJson, textOf } from '../kernel/json.ts'
import type { NewMessage } from './message.ts'

const formType = /^application\/x-www-form-urlencoded\s*(?:;|$)/i

/**
 * The parsed view of a message's bytes: JSON, or form fields and query parameters as an object of lists. It is an extra:
 * what cannot be shown exactly is not shown, and the bytes are there.
 *
 * @returns undefined when the payload is neither, nests deeper than 500 levels, or has a NUL or half a surrogate pair in a
 *   string: many a reader of JSON refuses all of an answer that holds one.
 */
export function parsedPayload(message: Pick<NewMessage, 'method' | 'query' | 'contentType' | 'body'>): unknown {
  if (message.body.length === 0) {
    return ['GET', 'HEAD'].includes(message.method) && message.query !== null ? fieldsOf(message.query) : undefined
  }
  const text = textOf(message.body)
  if (text === null) return undefined
  return formType.test(message.contentType ?? '') ? fieldsOf(text) : showableJson(text)
}

// As JSON.stringify writes them: what stands in pairs it writes as the character itself.
const unshowable = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/
const maybeUnshowable = /\\u(?:0000|d[89a-f])/i

function showableJson(text: string): unknown {
  const value = parseJson(text)
  const isShown = value === undefined || !maybeUnshowable.test(text) || !unshowable.test(JSON.stringify(value))
  return isShown ? value : undefined
}

function fieldsOf(text: string): Record<string, string[]> {
  // Without a prototype, so that a field named `__proto__` is a field like any other.
  const fields: Record<string, string[]> = Object.create(null)
  for (const [name, value] of new URLSearchParams(text)) {
    const values = fields[name] ?? []
    values.push(value)
    fields[name] = values
  }
  return fields
}
