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

/** @returns null when the text is not exactly one JSON object, with white space around it. */
export function membersOf(text: string): Member[] | null {
  return partsOf(text, '{', Number.POSITIVE_INFINITY, (at) => {
    const nameEnd = skipString(text, at)
    const value = valueAt(text, skipName(text, at))
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

const closing: Readonly<Record<string, string>> = { '{': '}', '[': ']' }

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

/**
 * @param start of a value, without white space before it.
 * @returns where the value ends; null when there is none, or not a whole one.
 */
function skipValue(text: string, start: number): number | null {
  /** What closes each open object and list, the innermost last. */
  const open: string[] = []
  let at: number | null = start
  while (at !== null) {
    const closer: string | undefined = closing[text[at] ?? '']
    const inside: number | null = closer === undefined ? null : skipSpace(text, at + 1)
    if (closer !== undefined && inside !== null && text[inside] !== closer) {
      open.push(closer)
      at = closer === '}' ? skipName(text, inside) : inside
      continue
    }
    const end = inside === null ? skipScalar(text, at) : inside + 1
    at = end === null ? null : skipEnds(text, end, open)
    if (open.length === 0) return at
  }
  return null
}

// A value ended here: closes what it was the last of, and goes to the next value of what stays open.
function skipEnds(text: string, from: number, open: string[]): number | null {
  let at = from
  while (open.length > 0) {
    at = skipSpace(text, at)
    const closer = open[open.length - 1]
    if (text[at] === ',') {
      const next = skipSpace(text, at + 1)
      return closer === '}' ? skipName(text, next) : next
    }
    if (text[at] !== closer) return null
    open.pop()
    at += 1
  }
  return at
}

/** @returns where the value of the member that begins here begins. */
function skipName(text: string, at: number): number | null {
  const end = skipString(text, at)
  if (end === null) return null
  const colon = skipSpace(text, end)
  return text[colon] === ':' ? skipSpace(text, colon + 1) : null
}

const numberOrWord = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)/y

function skipScalar(text: string, at: number): number | null {
  if (text[at] === '"') return skipString(text, at)
  numberOrWord.lastIndex = at
  return numberOrWord.test(text) ? numberOrWord.lastIndex : null
}

const escapeSequence = /\\(?:["\\/bfnrt]|u[\dA-Fa-f]{4})/y

function skipString(text: string, start: number): number | null {
  if (text[start] !== '"') return null
  for (let at = start + 1; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === 0x22) return at + 1
    if (code < 0x20) return null
    if (code === 0x5c) {
      escapeSequence.lastIndex = at
      if (!escapeSequence.test(text)) return null
      at = escapeSequence.lastIndex - 1
    }
  }
  return null
}

function skipSpace(text: string, start: number): number {
  let at = start
  for (; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) break
  }
  return at
}
