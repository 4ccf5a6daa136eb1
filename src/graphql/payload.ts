/** Longest start of the bytes that is text: a character cut at the end is left out; null when they are not UTF-8. */
export function textOfStart(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: true })
  } catch {
    return null
  }
}
