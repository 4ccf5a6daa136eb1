import { parseJson, textOf } from '../kernel/json.ts'
import type { StoredMessage } from '../messages/message.ts'

/*
 * Parsed views of a message's bytes. They are extras: whatever cannot be shown exactly is null, and the bytes are there.
 */

export { textOf }

const formType = /^application\/x-www-form-urlencoded\s*(?:;|$)/i

/** Longest start of the bytes that is text: a character cut at the end is left out; null when they are not UTF-8. */
export function textOfStart(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: true })
  } catch {
    return null
  }
}

/** JSON, or form fields and query parameters as an object of lists; null when the payload is neither. */
export function parsedPayload(message: Pick<StoredMessage, 'method' | 'query' | 'contentType' | 'body'>): unknown {
  if (message.body.length === 0) {
    return ['GET', 'HEAD'].includes(message.method) && message.query !== null ? fieldsOf(message.query) : null
  }
  const text = textOf(message.body)
  if (text === null) return null
  return formType.test(message.contentType ?? '') ? fieldsOf(text) : (parseJson(text) ?? null)
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
