import { isUtf8 } from 'node:buffer'

/*
 * JSON of strangers. Whatever cannot be read exactly is undefined or null; nothing here throws.
 */

/** Deeper values overflow the stack of common JSON writers, our own included. */
export const maxJsonDepth = 500

/** @returns null when the bytes are not UTF-8. A byte order mark is kept. */
export function textOf(bytes: Uint8Array): string | null {
  return isUtf8(bytes) ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString() : null
}

/** @returns undefined for what is not JSON, and for what nests deeper than 500 levels. */
export function parseJson(text: string): unknown {
  if (isTooDeep(text)) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const quote = 0x22
const backslash = 0x5c

/** Whether brackets nest deeper than we read, those in strings not counted. */
function isTooDeep(text: string): boolean {
  // Most texts have not even so many brackets, which is much quicker to see.
  if (countUpTo(text, '{', maxJsonDepth) + countUpTo(text, '[', maxJsonDepth) <= maxJsonDepth) return false
  let depth = 0
  for (let index = 0; index < text.length; index += 1) {
    switch (text.charCodeAt(index)) {
      case quote:
        index = endOfString(text, index)
        break
      case 0x5b: // [
      case 0x7b: // {
        depth += 1
        if (depth > maxJsonDepth) return true
        break
      case 0x5d: // ]
      case 0x7d: // }
        depth -= 1
    }
  }
  return false
}

/** @returns more than `limit` when there are more. */
function countUpTo(text: string, character: string, limit: number): number {
  let count = 0
  let found = text.indexOf(character)
  while (found !== -1 && count <= limit) {
    count += 1
    found = text.indexOf(character, found + 1)
  }
  return count
}

/** @returns where the string that begins here ends; the text's length when it does not. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end === -1 ? text.length : end
}

function isEscaped(text: string, position: number): boolean {
  let backslashes = 0
  while (text.charCodeAt(position - 1 - backslashes) === backslash) backslashes += 1
  return backslashes % 2 === 1
}
