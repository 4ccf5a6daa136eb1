import { parseRfc3339 } from '../kernel/date-time.ts'
import { badUserInput } from './request-error.ts'

/*
 * The scalars are strict: what is not exactly of the form is BAD_USER_INPUT. Strings with NUL characters never get
 * this far (see isStorable in limits.ts).
 */

const maxUrlCharacters = 2_048
const maxCursorCharacters = 1_024

export function parseDateTime(value: unknown): Date {
  const time = typeof value === 'string' ? parseRfc3339(value) : null
  if (time === null) throw badUserInput('DateTime needs RFC 3339, such as "2026-11-22T00:31:00.123Z".')
  return time
}

export function serializeDateTime(value: unknown): string {
  if (!(value instanceof Date)) throw new TypeError('DateTime is given out from a Date')
  return value.toISOString()
}

export function parseCursor(value: unknown): string {
  if (typeof value !== 'string' || value.length > maxCursorCharacters || value === '') {
    throw badUserInput('Cursor needs a string that was given out as one.')
  }
  return value
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

export function parseBytes(value: unknown): Buffer {
  if (typeof value !== 'string' || !base64.test(value)) {
    throw badUserInput('Bytes need base64 with the standard alphabet and padding.')
  }
  return Buffer.from(value, 'base64')
}

export function serializeBytes(value: unknown): string {
  if (!(value instanceof Uint8Array)) throw new TypeError('Bytes are given out from a Uint8Array')
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
}

export function parseUrl(value: unknown): string {
  const url = typeof value === 'string' && value.length <= maxUrlCharacters ? URL.parse(value) : null
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.password !== '') {
    throw badUserInput('URL needs an absolute http or https URL without credentials, at most 2,048 characters.')
  }
  if (url.href.length > maxUrlCharacters) throw badUserInput('A URL has at most 2,048 characters, normalised.')
  return url.href
}

export function parseSafeInt(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw badUserInput('SafeInt needs a whole number within ±(2^53 - 1).')
  }
  return value
}

export function serializeSafeInt(value: unknown): number {
  if (!Number.isSafeInteger(value)) throw new TypeError('SafeInt is given out from a safe integer')
  return Number(value)
}
