import { isUtf8 } from 'node:buffer'

/*
 * How a string stands in a header field: printable ASCII but space, double quote and percent as it is, all else as the
 * percent-encoded bytes of its UTF-8.
 *
 * See the HTTP Protocol Binding for CloudEvents 1.0.2, section 3.1.3.2.
 */

/** @param value well-formed UTF-16, as checked attributes are. */
export function encodeHeaderValue(value: string): string {
  return value.replaceAll(/[^\x21\x23\x24\x26-\x7e]+/g, (run) =>
    [...Buffer.from(run)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  )
}

/**
 * Reads a field's value: takes off double quotes, then decodes once. Never throws.
 *
 * @param field as Node gives it, one character per byte.
 * @returns null for what is not ASCII, has a `%` without two hexadecimal digits, or does not decode to UTF-8.
 */
export function decodeHeaderValue(field: string): string | null {
  const text = unquote(field.trim())
  if (/[^\x20-\x7e]/.test(text) || /%(?![\dA-Fa-f]{2})/.test(text)) return null
  const latin1 = text.replaceAll(/%(..)/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
  const bytes = Buffer.from(latin1, 'latin1')
  return isUtf8(bytes) ? bytes.toString() : null
}

function unquote(text: string): string {
  const [, quoted] = /^"((?:[^"\\]|\\.)*)"$/.exec(text) ?? []
  return quoted === undefined ? text : quoted.replaceAll(/\\(.)/g, '$1')
}
