const networkCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  'EPIPE',
  'ENOTFOUND',
  'ETIMEDOUT',
])

/**
 * Whether an error of a query says that the database cannot serve just now, rather than that the query is wrong:
 * connection failures (SQLSTATE 08), operator intervention (57P) and exhaustion (53), and the pool's own time-outs.
 */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (networkCodes.has(code) || /^(08|53|57P)/.test(code)) return true
  if (/timeout exceeded when trying to connect|Connection terminated|Query read timeout/.test(error.message))
    return true
  return error.cause !== undefined && isDatabaseAway(error.cause)
}
