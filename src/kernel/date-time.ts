const rfc3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/

/**
 * Reads an RFC 3339 time, such as `2026-11-22T00:31:00.123Z`, to the millisecond. Leap seconds are not known.
 *
 * @returns null for what is not of this form, is no date of the calendar, or lies outside the years 1 to 9999, UTC.
 */
export function parseRfc3339(text: string): Date | null {
  const [, year, month, day] = rfc3339.exec(text) ?? []
  if (day === undefined) return null
  // The language reads the 31st of a shorter month as a day of the next one.
  const date = new Date(`${year}-${month}-${day}T00:00:00Z`)
  if (date.getUTCMonth() !== Number(month) - 1 || date.getUTCDate() !== Number(day)) return null
  const time = new Date(text.toUpperCase())
  const utcYear = time.getUTCFullYear()
  return utcYear >= 1 && utcYear <= 9999 ? time : null
}
