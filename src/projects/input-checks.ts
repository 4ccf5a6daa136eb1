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
