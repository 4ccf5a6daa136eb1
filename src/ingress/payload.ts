import { parseJson, textOf } from '../kernel/json.ts'
import { numberTextIn, parseJsonPointer, parseWithDigits, valueAt } from '../kernel/json-pointer.ts'

/** A body as JSON: read when it is first asked for, and once. */
export interface Payload {
  /** Undefined when it is not JSON, or nests deeper than we read. */
  json(): unknown
  /**
   * What stands at a place, as text; null when there is nothing, or an object or list.
   *
   * @param pointer RFC 6901.
   */
  textAt(pointer: string): string | null
}

export function createPayload(body: Buffer): Payload {
  let text: string | null | undefined
  let value: unknown
  let withDigits: unknown
  const json = (): unknown => {
    if (text !== undefined) return value
    text = body.length === 0 ? null : textOf(body)
    value = text === null ? undefined : parseJson(text)
    return value
  }
  return {
    json,
    textAt(pointer) {
      const names = parseJsonPointer(pointer)
      if (names === null) return null
      const found = valueAt(json(), names)
      switch (typeof found) {
        case 'string':
          return found
        case 'boolean':
          return String(found)
        case 'number':
          if (Number.isSafeInteger(found)) return String(found)
          // Reading the text for its digits takes long: once is enough for all places.
          withDigits ??= parseWithDigits(text ?? '')
          return numberTextIn(withDigits, names)
        default:
          return null
      }
    },
  }
}
