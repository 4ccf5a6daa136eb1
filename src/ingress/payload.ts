import { parseJson, textOf } from '../kernel/json.ts'

/** A body as JSON: read when it is first asked for, and once. */
export interface Payload {
  /** Undefined when it is not JSON, or nests deeper than we read. */
  json(): unknown
  /** What stands at a place, as text; null when there is nothing, or an object or list. */
  textAt(pointer: string): string | null
}

export function createPayload(body: Buffer): Payload {
  let text: string | null | undefined
  let value: unknown
  const json = (): unknown => {
    if (text !== undefined) return value
    text = body.length === 0 ? null : textOf(body)
    value = text === null ? undefined : parseJson(text)
    return value
  }
  return {
    json,
    textAt(pointer) {
      const found = valueAt(json(), pointer)
      switch (typeof found) {
        case 'string':
          return found
        case 'boolean':
          return String(found)
        case 'number':
          return Number.isSafeInteger(found) ? String(found) : numberTextAt(text ?? '', pointer)
        default:
          return null
      }
    },
  }
}

/** @see RFC 6901 */
function valueAt(document: unknown, pointer: string): unknown {
  if (pointer === '') return document
  if (!pointer.startsWith('/')) return undefined
  let value = document
  for (const token of pointer.slice(1).split('/')) {
    if (typeof value !== 'object' || value === null) return undefined
    const key = token.includes('~') ? token.replaceAll('~1', '/').replaceAll('~0', '~') : token
    if (Array.isArray(value) && !/^(0|[1-9]\d*)$/.test(key)) return undefined
    // Own members alone: `__proto__` and `constructor` are names like any other.
    value = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined
  }
  return value
}

/** A number as it was written. */
class WrittenNumber {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

// A double holds 16 digits; ids are longer. Reading a second time, with what was written, is for such numbers alone.
function numberTextAt(text: string, pointer: string): string | null {
  const keepWritten = (_: string, value: unknown, context: { readonly source?: string }) =>
    typeof value === 'number' ? new WrittenNumber(context.source ?? String(value)) : value
  // The type of JSON.parse does not know of the context yet.
  const found = valueAt(JSON.parse(text, keepWritten as (key: string, value: unknown) => unknown), pointer)
  return found instanceof WrittenNumber ? found.text : null
}
