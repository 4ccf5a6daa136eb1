/*
 * Finds where one value of a JSON text (RFC 8259) ends, and proves on the way that it is one. Strangers choose the text and
 * everybody else waits meanwhile: it looks at each character once, by its code, and keeps one byte for each open bracket.
 */

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a
const minus = 0x2d
const point = 0x2e
const zero = 0x30
const nine = 0x39
const closeBrace = 0x7d

/**
 * @param start of a value, without white space before it.
 * @returns where the value ends; null when there is none, or not a whole one.
 */
export function skipValue(text: string, start: number): number | null {
  const scan = scanValue(text, start)
  for (let step = scan.next(); ; step = scan.next()) if (step.done) return step.value
}

/** Large enough that stopping costs nothing, small enough that it is done within a millisecond or so. */
const pieceCharacters = 65_536

/** As `skipValue`, but stops now and then, so that others can have their turn; not within a string. */
export function* scanValue(text: string, start: number): Generator<void, number | null, void> {
  const open = new OpenBrackets()
  let pauseAt = start + pieceCharacters
  for (let at: number | null = start; at !== null; ) {
    if (at > pauseAt) {
      yield
      pauseAt = at + pieceCharacters
    }
    const closer = closerOf(text.charCodeAt(at))
    const inside: number = closer === 0 ? at : skipSpace(text, at + 1)
    if (closer !== 0 && text.charCodeAt(inside) !== closer) {
      open.push(closer)
      at = closer === closeBrace ? skipName(text, inside) : inside
      continue
    }
    const valueEnd = closer === 0 ? skipScalar(text, at) : inside + 1
    const end = valueEnd === null ? null : open.close(text, valueEnd)
    if (end === null || open.innermost === 0) return end
    at = skipComma(text, end, open.innermost === closeBrace)
  }
  return null
}

class OpenBrackets {
  /** What closes each object and list that is open, the innermost last. */
  #closers = new Uint8Array(64)
  #depth = 0

  /** What closes the innermost; 0 when none is open. */
  get innermost(): number {
    return this.#closers[this.#depth - 1] ?? 0
  }

  push(closer: number): void {
    if (this.#depth === this.#closers.length) {
      const larger = new Uint8Array(2 * this.#depth)
      larger.set(this.#closers)
      this.#closers = larger
    }
    this.#closers[this.#depth] = closer
    this.#depth += 1
  }

  /**
   * Closes all that the value which ended here was the last of.
   *
   * @returns where the outermost of these ends, white space after it included while others are open.
   */
  close(text: string, valueEnd: number): number {
    let at = valueEnd
    for (; this.#depth > 0; this.#depth -= 1) {
      at = skipSpace(text, at)
      if (text.charCodeAt(at) !== this.innermost) break
      at += 1
    }
    return at
  }
}

/** @returns where the next value of the object or list begins. */
function skipComma(text: string, at: number, isObject: boolean): number | null {
  if (text.charCodeAt(at) !== comma) return null
  const next = skipSpace(text, at + 1)
  return isObject ? skipName(text, next) : next
}

/** @returns where the value of the member that begins here begins. */
function skipName(text: string, at: number): number | null {
  const end = skipString(text, at)
  return end === null ? null : skipColon(text, end)
}

/** @param at after the name of a member. */
export function skipColon(text: string, at: number): number | null {
  const next = skipSpace(text, at)
  return text.charCodeAt(next) === colon ? skipSpace(text, next + 1) : null
}

export function skipString(text: string, start: number): number | null {
  if (text.charCodeAt(start) !== quote) return null
  for (let at = start + 1; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === quote) return at + 1
    if (code < 0x20) return null
    if (code !== backslash) continue
    const end = skipEscape(text, at + 1)
    if (end === null) return null
    at = end - 1
  }
  return null
}

export function skipSpace(text: string, start: number): number {
  let at = start
  for (; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) break
  }
  return at
}

/** @returns 0 for what opens nothing. */
function closerOf(code: number): number {
  if (code === 0x7b) return closeBrace
  return code === 0x5b ? 0x5d : 0
}

function skipScalar(text: string, at: number): number | null {
  switch (text.charCodeAt(at)) {
    case quote:
      return skipString(text, at)
    case 0x74:
      return skipWord(text, at, 'true')
    case 0x66:
      return skipWord(text, at, 'false')
    case 0x6e:
      return skipWord(text, at, 'null')
    default:
      return skipNumber(text, at)
  }
}

function skipWord(text: string, at: number, word: string): number | null {
  return text.startsWith(word, at) ? at + word.length : null
}

function skipNumber(text: string, start: number): number | null {
  const first = text.charCodeAt(start) === minus ? start + 1 : start
  // Nothing stands after a leading zero.
  let at = text.charCodeAt(first) === zero ? first + 1 : skipDigits(text, first)
  if (at !== null && text.charCodeAt(at) === point) at = skipDigits(text, at + 1)
  if (at === null || (text.charCodeAt(at) | 0x20) !== 0x65) return at
  const sign = text.charCodeAt(at + 1)
  return skipDigits(text, sign === 0x2b || sign === minus ? at + 2 : at + 1)
}

/** One or more. */
function skipDigits(text: string, start: number): number | null {
  let at = start
  for (; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code < zero || code > nine) break
  }
  return at === start ? null : at
}

const shortEscapes = new Set(Array.from('"\\/bfnrt', (character) => character.charCodeAt(0)))

/** @param at after the backslash. */
function skipEscape(text: string, at: number): number | null {
  const code = text.charCodeAt(at)
  if (shortEscapes.has(code)) return at + 1
  return code === 0x75 && /^[\dA-Fa-f]{4}$/.test(text.slice(at + 1, at + 5)) ? at + 5 : null
}
