const wholeNumber = /^[+-]?\d/

/**
 * Reads `Retry-After`: a number of seconds or an HTTP date.
 *
 * @returns seconds from now, never negative, possibly absurd or infinite (the policy clamps); null when it says nothing.
 * @see RFC 9110, section 10.2.3
 */
export function parseRetryAfter(value: string | null, nowMs: number): number | null {
  const text = value?.trim() ?? ''
  if (text === '') return null
  if (wholeNumber.test(text)) {
    const seconds = Number(text)
    return Number.isNaN(seconds) ? null : Math.max(0, seconds)
  }
  const atMs = Date.parse(text)
  return Number.isNaN(atMs) ? null : Math.max(0, (atMs - nowMs) / 1000)
}
