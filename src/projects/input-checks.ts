import { parseJsonPointer } from '../kernel/json-pointer.ts'
import type { ErrorCode, Issue } from '../kernel/outcome.ts'

/*
 * Checks of what clients give. Each returns the issues that it found, so that an operation can gather all of them and
 * tell them at once. Messages are public.
 */

type Path = readonly string[]

const namePattern = /^[a-z0-9-]*$/
const maxNameCharacters = 63

export function issue(code: ErrorCode, path: Path, message: string): Issue {
  return { code, message, path }
}

/** A name that is part of addresses: lower-case letters, digits and hyphens, 1 to 63. */
export function checkName(name: string | null, path: Path): Issue[] {
  if (name === null || name === '') return [issue('REQUIRED', path, 'A name is needed.')]
  if (!namePattern.test(name)) {
    return [issue('MALFORMED', path, 'A name consists of lower-case letters, digits and hyphens.')]
  }
  if (name.length > maxNameCharacters) {
    return [issue('OUT_OF_RANGE', path, `A name has at most ${maxNameCharacters} characters.`)]
  }
  return []
}

/** Free text of at most `max` characters (code points); empty only where `min` is 0. */
export function checkText(text: string, path: Path, bounds: { min: 0 | 1; max: number }): Issue[] {
  // PostgreSQL stores no NUL, and a lone surrogate would be stored as another character.
  if (text.includes('\0') || !text.isWellFormed()) {
    return [issue('MALFORMED', path, 'Text must be well-formed Unicode without NUL characters.')]
  }
  if (text.length < bounds.min) return [issue('REQUIRED', path, 'A value is needed.')]
  // Every code point takes one or two code units: most texts need no counting.
  if (text.length > bounds.max && [...text.slice(0, 2 * bounds.max + 1)].length > bounds.max) {
    return [issue('OUT_OF_RANGE', path, `At most ${bounds.max} characters are possible.`)]
  }
  return []
}

/** A whole number within bounds, both included. */
export function checkWholeNumber(value: number | null, path: Path, bounds: { min: number; max: number }): Issue[] {
  if (value === null) return [issue('REQUIRED', path, 'A value is needed.')]
  if (!Number.isInteger(value) || value < bounds.min || value > bounds.max) {
    return [issue('OUT_OF_RANGE', path, `A whole number from ${bounds.min} to ${bounds.max} is needed.`)]
  }
  return []
}

/** Whether it could be a name, by its form. */
export function isName(text: string): boolean {
  return checkName(text, []).length === 0
}

/** A choice that may be left out, but not be nothing. */
export function checkNotNull(value: unknown, path: Path): Issue[] {
  return value === null ? [issue('REQUIRED', path, 'A value is needed.')] : []
}

const maxPointerCharacters = 512

/** A JSON Pointer (RFC 6901) of at most 512 characters. */
export function checkJsonPointer(pointer: string, path: Path): Issue[] {
  const issues = checkText(pointer, path, { min: 0, max: maxPointerCharacters })
  if (issues.length > 0 || parseJsonPointer(pointer) !== null) return issues
  return [issue('MALFORMED', path, 'A JSON Pointer is empty or begins with "/"; in it "~" is written "~0", "/" "~1".')]
}

const headerNamePattern = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/
const maxHeaderNameCharacters = 256
/** What Node writes as Latin-1 is all that a field's value may hold. */
const headerValuePattern = /^[\t\x20-\x7e\x80-\xff]*$/
const maxHeaderValueCharacters = 8_192

/** They steer the connection or the message's framing, so that HTTP's own software sets them. */
const headersOfHttp = new Set(
  'connection content-length date expect host keep-alive te trailer transfer-encoding upgrade'.split(' '),
)

/** A header field's name: a token of HTTP, in any case. */
export function checkHeaderName(name: string, path: Path): Issue[] {
  if (name === '') return [issue('REQUIRED', path, 'A header name is needed.')]
  if (!headerNamePattern.test(name)) return [issue('MALFORMED', path, 'This is no header name.')]
  if (name.length > maxHeaderNameCharacters) {
    return [issue('OUT_OF_RANGE', path, `A header name has at most ${maxHeaderNameCharacters} characters.`)]
  }
  return []
}

/** The name of a header that applications may use as they like: not one that belongs to HTTP itself. */
export function checkCustomHeaderName(name: string, path: Path): Issue[] {
  const lowerCase = name.toLowerCase()
  if (headersOfHttp.has(lowerCase) || lowerCase.startsWith('proxy-')) {
    return [issue('MALFORMED', path, `The header ${name} belongs to HTTP itself.`)]
  }
  return checkHeaderName(name, path)
}

const usernameBounds = { min: 1, max: 255 } as const

/** The user name of HTTP's Basic authentication. */
export function checkUsername(username: string, path: Path): Issue[] {
  if (/[:\p{Cc}]/u.test(username)) {
    return [issue('MALFORMED', path, 'A user name has neither a colon nor control characters.')]
  }
  return checkText(username, path, usernameBounds)
}

/** A header field's value: one line of Latin-1. */
export function checkHeaderValue(value: string, path: Path): Issue[] {
  if (!headerValuePattern.test(value)) {
    return [issue('MALFORMED', path, 'A header value has neither line breaks nor characters beyond Latin-1.')]
  }
  if (value.length > maxHeaderValueCharacters) {
    return [issue('OUT_OF_RANGE', path, `A header value has at most ${maxHeaderValueCharacters} characters.`)]
  }
  return []
}
