/*
 * JSON Pointer (RFC 6901): which value of a document is meant.
 */

const form = /^(?:\/(?:[^~/]|~[01])*)*$/
const listIndex = /^(?:0|[1-9]\d*)$/

/** @returns the names on the way, from the outside in; null when the text is no JSON Pointer. */
export function parseJsonPointer(text: string): string[] | null {
  if (!form.test(text)) return null
  const [, ...names] = text.split('/')
  return names.map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** @returns undefined when there is nothing at this place. */
export function valueAt(document: unknown, names: readonly string[]): unknown {
  let value = document
  for (const name of names) {
    if (typeof value !== 'object' || value === null) return undefined
    if (Array.isArray(value) && !listIndex.test(name)) return undefined
    // Own members alone: `__proto__` and `constructor` are names like any other.
    if (!Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value
}

/**
 * Parses a JSON text so that `numberTextIn` can be asked any number of times. Costs several times what JSON.parse does.
 *
 * @throws SyntaxError when the text is no JSON; RangeError when it nests some thousand levels deep.
 */
export function parseWithDigits(text: string): unknown {
  // A number that reads as it would be written needs no more memory than itself.
  const keepWritten = (_name: string, value: unknown, { source }: { readonly source?: string }) =>
    typeof value === 'number' && source !== undefined && source !== String(value) ? new WrittenNumber(source) : value
  // The types of the language do not know the context yet.
  return JSON.parse(text, keepWritten as (name: string, value: unknown) => unknown)
}

/**
 * What stands in the text where `valueAt` finds a number, digit by digit.
 *
 * @param document of `parseWithDigits`.
 * @returns null when there is no number at this place.
 */
export function numberTextIn(document: unknown, names: readonly string[]): string | null {
  const found = valueAt(document, names)
  if (typeof found === 'number') return String(found)
  return found instanceof WrittenNumber ? found.text : null
}

class WrittenNumber {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}
