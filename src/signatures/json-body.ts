import { parseJson, textOf } from '../kernel/json.ts'

// Far above what providers send to be read here, and little enough to be parsed for a stranger.
const maxBytes = 4_194_304

/**
 * Parses a body whose sender may still be a stranger: undefined when it is no JSON in UTF-8, too large or too deep.
 * Members are to be read by `memberOf`.
 */
export function parseJsonBody(body: Buffer): unknown {
  const text = body.length > maxBytes ? null : textOf(body)
  return text === null ? undefined : parseJson(text)
}

/** An object's own member; undefined for everything that has none, such as an array or a prototype's member. */
export function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return (value as Record<string, unknown>)[name]
}
