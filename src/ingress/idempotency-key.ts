import { type IngressProblem, problem } from './answer.ts'

/** The key that a sender chose; null when it sent none. */
export type IdempotencyKey =
  | { readonly key: string | null; readonly problem?: never }
  | { readonly problem: IngressProblem }

const headerName = 'idempotency-key'
const maxKeyLength = 256

const noKey: IdempotencyKey = { key: null }

/**
 * Reads the header `Idempotency-Key`: a structured field's String, `"8e03978e"`, or the same without quotes. Both
 * spellings are one key.
 *
 * @param rawHeaders names and values in turns, as node gives them.
 * @see draft-ietf-httpapi-idempotency-key-header; RFC 9651, 3.3.3
 */
export function parseIdempotencyKey(rawHeaders: readonly string[]): IdempotencyKey {
  let given: string | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    if (name.length !== headerName.length || name.toLowerCase() !== headerName) continue
    if (given !== undefined) return malformed('is sent twice: which of the two was meant?')
    given = rawHeaders[index + 1] ?? ''
  }
  return given === undefined ? noKey : parseValue(given)
}

function parseValue(text: string): IdempotencyKey {
  // node gives one character per byte, so that every byte of a non-ASCII character stands outside.
  if (!/^[\x20-\x7e]*$/.test(text)) return malformed('may hold printable ASCII characters only.')
  const key = text.startsWith('"') ? unquoted(text) : text
  if (key === null) return malformed('begins with a quote, but is no structured-field String such as "8e03978e".')
  if (key === '') return malformed('is empty.')
  return key.length > maxKeyLength ? malformed(`is longer than ${maxKeyLength} characters.`) : { key }
}

function unquoted(text: string): string | null {
  const found = /^"((?:[^"\\]|\\["\\])*)"$/.exec(text)
  return found === null ? null : (found[1] ?? '').replaceAll(/\\(.)/g, '$1')
}

function malformed(what: string): IdempotencyKey {
  return { problem: problem(400, 'IDEMPOTENCY_KEY_MALFORMED', `The header Idempotency-Key ${what}`) }
}
