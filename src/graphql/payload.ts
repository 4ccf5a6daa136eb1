import type { StoredMessage } from '../messages/message.ts'

/*
 * Parsed views of a message's bytes. They are extras: whatever cannot be shown exactly is null, and the bytes are there.
 */

/** Deeper values overflow the stack of common JSON writers, our own included. */
const maxJsonDepth = 500

const formType = /^application\/x-www-form-urlencoded\s*(?:;|$)/i

/** @returns null when the bytes are not UTF-8. A byte order mark is kept. */
export function textOf(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}

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
  return formType.test(message.contentType ?? '') ? fieldsOf(text) : parsedJson(text)
}

function parsedJson(text: string): unknown {
  if (jsonDepth(text) > maxJsonDepth) return null
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** How deep the brackets nest, those in strings not counted; no more than is needed to know that it is too deep. */
function jsonDepth(text: string): number {
  let depth = 0
  let deepest = 0
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/gs)) {
    if (token === '[' || token === '{') deepest = Math.max(deepest, ++depth)
    else if (token === ']' || token === '}') depth -= 1
    if (deepest > maxJsonDepth) break
  }
  return deepest
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
