/**
 * Compiles a pattern of event types in which `*` stands for any characters, none and dots included, and everything else
 * for itself, upper and lower case told apart: the same as in Hookline's filters.
 */
export function compileTypePattern(pattern: string): (type: string) => boolean {
  const [first = '', ...others] = pattern.split('*')
  const last = others.pop()
  if (last === undefined) return (type) => type === pattern
  const middle = others.filter((piece) => piece !== '')
  // Each piece is looked for where it comes first, and nothing is tried twice: types come from outside.
  return (type) => {
    const end = type.length - last.length
    if (end < first.length || !type.startsWith(first) || !type.endsWith(last)) return false
    let place = first.length
    for (const piece of middle) {
      const found = type.indexOf(piece, place)
      if (found === -1) return false
      place = found + piece.length
    }
    return place <= end
  }
}

/** A pattern as a type: `order.*` becomes `order.${string}`. */
type TypesOf<Pattern extends string> = Pattern extends `${infer Head}*${infer Tail}`
  ? `${Head}${string}${TypesOf<Tail>}`
  : Pattern

/**
 * The payloads of the event types that fit a pattern; `unknown` when none of them is described.
 *
 * @typeParam Payloads event types with their payloads.
 */
export type PayloadOf<Payloads, Pattern extends string> = [Extract<keyof Payloads, TypesOf<Pattern>>] extends [never]
  ? unknown
  : Payloads[Extract<keyof Payloads, TypesOf<Pattern>>]
