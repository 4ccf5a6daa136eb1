const token = "[!#$%&'*+.^_`|~\\w-]+"
// A semicolon without a parameter is common and harmless. White space has one place only, so that matching is linear.
const parameter = `[ \\t]*;(?:[ \\t]*(${token})=(${token}|"(?:[^"\\\\]|\\\\.)*"))?`
const mediaType = new RegExp(`^(${token}/${token})((?:${parameter})*)[ \\t]*$`)

export interface MediaType {
  /** Lower-case type and subtype, such as `application/json`. */
  readonly essence: string
  /** Lower-case, unquoted; null when none is named. */
  readonly charset: string | null
}

/** Reads a media type as `Content-Type` holds it. @returns null for what is none. @see RFC 9110, 8.3.1 */
export function parseMediaType(text: string): MediaType | null {
  const [, essence, parameters = ''] = mediaType.exec(text) ?? []
  if (essence === undefined) return null
  const pairs = [...parameters.matchAll(new RegExp(parameter, 'g'))]
  const charset = pairs.find(([, name]) => name?.toLowerCase() === 'charset')?.[2]
  return { essence: essence.toLowerCase(), charset: charset?.replaceAll(/["\\]/g, '').toLowerCase() ?? null }
}

/** Whether a media type says that its content is JSON: `application/json`, or a subtype that ends with `+json`. */
export function isJsonType({ essence }: MediaType): boolean {
  return /[/+]json$/.test(essence)
}
