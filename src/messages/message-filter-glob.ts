/**
 * Compiles a pattern in which `*` stands for any characters, none included, and everything else for itself.
 *
 * Patterns come from strangers and are held against what other strangers send, so none becomes a regular expression:
 * the pieces between the stars are looked for one after the other, each where it comes first, and nothing is tried twice.
 */
export function compileGlob(glob: string): (text: string) => boolean {
  const [first = '', ...others] = glob.split('*')
  const last = others.pop()
  if (last === undefined) return (text) => text === glob
  const middle = others.filter((piece) => piece !== '')
  return (text) => {
    const end = text.length - last.length
    if (end < first.length || !text.startsWith(first) || !text.endsWith(last)) return false
    let place = first.length
    for (const piece of middle) {
      const found = text.indexOf(piece, place)
      if (found === -1) return false
      place = found + piece.length
    }
    return place <= end
  }
}
