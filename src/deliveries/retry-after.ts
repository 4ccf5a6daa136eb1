const number = /^[+-]?\d/
/** The three forms of HTTP. `Date.parse` alone would read a year or a month out of almost any text. */
const httpDate = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? .*\d\d:\d\d:\d\d/i
/** In the form of C's `asctime`, which names no zone and means GMT. */
const zoneless = / \d{4}$/

/**
 * Reads `Retry-After`: a number of seconds or an HTTP date.
 *
 * @returns seconds from now, never negative, possibly absurd or infinite (the policy clamps); null when it says nothing.
 * @see RFC 9110, section 10.2.3
 */
export function parseRetryAfter(value: string | null, nowMs: number): number | null {
  const text = value?.trim() ?? ''
  if (text === '') return null
  if (number.test(text)) {
    const seconds = Number(text)
    return Number.isNaN(seconds) ? null : Math.max(0, seconds)
  }
  if (!httpDate.test(text)) return null
  const atMs = Date.parse(zoneless.test(text) ? `${text} GMT` : text)
  return Number.isNaN(atMs) ? null : Math.max(0, (atMs - nowMs) / 1000)
}
