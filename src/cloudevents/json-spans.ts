import { skipColon, skipSpace, skipString, skipValue } from './json-scan.ts'

/*
 * Finds where the members of an object, or the items of a list, stand in a JSON text, and proves that the text is JSON
 * (RFC 8259). Values are not built: their text is what is stored and sent on, with its numbers, white space and repeated
 * names. It takes time in proportion to the text and no stack, however deep the text nests.
 */

/** Where a value stands: from `start` up to, not including, `end`. */
export interface Span {
  readonly start: number
  readonly end: number
}

export interface Member extends Span {
  readonly name: string
}

/**
 * @param most members are looked for; of a larger object one more than these is given, and nothing said of the rest.
 * @returns null when the text is not exactly one JSON object, with white space around it.
 */
export function membersOf(text: string, most: number): Member[] | null {
  return partsOf(text, '{', most, (at) => {
    const nameEnd = skipString(text, at)
    const value = nameEnd === null ? null : valueAt(text, skipColon(text, nameEnd))
    if (nameEnd === null || value === null) return null
    return { name: JSON.parse(text.slice(at, nameEnd)), ...value }
  })
}

/**
 * @param most items are looked for; of a longer list one more than these is given, and nothing said of the rest.
 * @returns null when the text is not exactly one JSON list, with white space around it.
 */
export function itemsOf(text: string, most: number): Span[] | null {
  return partsOf(text, '[', most, (at) => valueAt(text, at))
}

/** The first character that is no white space: what kind of value it is. */
export function firstCharacter(text: string): string {
  return text[skipSpace(text, 0)] ?? ''
}

const closing = { '{': '}', '[': ']' } as const

function partsOf<Part extends Span>(
  text: string,
  opening: '{' | '[',
  most: number,
  partAt: (at: number) => Part | null,
): Part[] | null {
  const parts: Part[] = []
  const start = skipSpace(text, 0)
  if (text[start] !== opening) return null
  let at = skipSpace(text, start + 1)
  for (let isMore = text[at] !== closing[opening]; isMore; ) {
    const part = partAt(at)
    if (part === null) return null
    parts.push(part)
    if (parts.length > most) return parts
    at = skipSpace(text, part.end)
    isMore = text[at] === ','
    if (isMore) at = skipSpace(text, at + 1)
  }
  return text[at] === closing[opening] && skipSpace(text, at + 1) === text.length ? parts : null
}

function valueAt(text: string, start: number | null): Span | null {
  const end = start === null ? null : skipValue(text, start)
  return start === null || end === null ? null : { start, end }
}
