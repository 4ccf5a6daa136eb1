// Far above what providers send to be read here, and little enough to be parsed for a stranger.
const maxBytes = 4_194_304
const maxDepth = 100

const quote = 0x22
const backslash = 0x5c

/**
 * Parses a body whose sender may still be a stranger: undefined when it is no JSON, too large or too deep.
 * Members are to be read by `memberOf`.
 */
export function parseJsonBody(body: Buffer): unknown {
  if (body.length > maxBytes || isDeeperThan(body, maxDepth)) return undefined
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}

/** An object's own member; undefined for everything that has none, such as an array or a prototype's member. */
export function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return (value as Record<string, unknown>)[name]
}

function isDeeperThan(body: Buffer, limit: number): boolean {
  let depth = 0
  let isInText = false
  for (let index = 0; index < body.length; index++) {
    const byte = body[index]
    if (isInText) {
      if (byte === backslash) index++
      else if (byte === quote) isInText = false
    } else if (byte === quote) {
      isInText = true
    } else {
      depth += nestingOf(byte)
      if (depth > limit) return true
    }
  }
  return false
}

/** 1 for `[` and `{`, -1 for `]` and `}`. */
function nestingOf(byte: number | undefined): number {
  if (byte === 0x5b || byte === 0x7b) return 1
  return byte === 0x5d || byte === 0x7d ? -1 : 0
}
