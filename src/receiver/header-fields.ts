/** Header fields as Fetch (`Headers`) or Node (`request.headers`) give them; the case of names does not count. */
export type HeaderFields =
  | { get(name: string): string | null }
  | Readonly<Record<string, string | readonly string[] | undefined>>

/** Looks a field up. @param name in lower case. @returns null when it is absent or empty. */
export type FieldReader = (name: string) => string | null

export function fieldReader(fields: HeaderFields): FieldReader {
  if (isHeaders(fields)) return (name) => fields.get(name) || null
  const values = new Map(
    Object.entries(fields).map(([name, value]) => [
      name.toLowerCase(),
      typeof value === 'string' ? value : (value?.join(', ') ?? ''),
    ]),
  )
  return (name) => values.get(name) || null
}

// A field named `get` is a text.
function isHeaders(fields: HeaderFields): fields is { get(name: string): string | null } {
  return typeof fields.get === 'function'
}
