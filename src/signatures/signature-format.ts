import type { SignatureFormat } from './verification.ts'

/** One complaint about a field of a format; the message is public. */
export interface FormatIssue {
  field: keyof SignatureFormat
  message: string
}

const headerName = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/
const parameterName = /^[A-Za-z0-9_-]{1,64}$/
const printable = /^[\x20-\x7e]{1,64}$/
const maxContentCharacters = 1_000
const toleranceBounds = { min: 1_000, max: 3_600_000 }

/** @returns what is wrong with a format; nothing when signatures of it can be verified. */
export function checkSignatureFormat(format: SignatureFormat): FormatIssue[] {
  return [...checkContent(format), ...checkPlaces(format), ...checkTime(format)]
}

function checkContent({ content, idHeader }: SignatureFormat): FormatIssue[] {
  const issues: FormatIssue[] = []
  const add = (message: string) => issues.push({ field: 'content', message })
  if (content.length > maxContentCharacters) add('The template must have at most 1,000 characters.')
  if (!content.includes('{body}')) add('The template must hold {body}: what is not signed is not verified.')
  // Each time costs another pass over the body.
  if (content.split('{body}').length > 2) add('The template must hold {body} once.')
  const unknown = (content.match(/\{[^{}]*\}/g) ?? []).find((name) => !/^\{(?:id|timestamp|url|body)\}$/.test(name))
  if (unknown !== undefined) add(`${unknown.slice(0, 40)} is unknown; there are {id}, {timestamp}, {url} and {body}.`)
  if (content.includes('{id}') && idHeader === null) add('{id} needs an idHeader.')
  return issues
}

function checkPlaces(format: SignatureFormat): FormatIssue[] {
  const issues: FormatIssue[] = []
  for (const field of ['header', 'idHeader', 'timestampHeader'] as const) {
    const name = format[field]
    if (name !== null && !headerName.test(name)) issues.push({ field, message: 'This cannot be the name of a header.' })
  }
  for (const field of ['parameter', 'timestampParameter'] as const) {
    const name = format[field]
    const message = 'A key has 1 to 64 letters, digits, `_` or `-`.'
    if (name !== null && !parameterName.test(name)) issues.push({ field, message })
  }
  if (format.prefix !== null && !printable.test(format.prefix)) {
    issues.push({ field: 'prefix', message: 'A prefix has 1 to 64 printable ASCII characters.' })
  }
  return issues
}

function checkTime({ content, timestampHeader, timestampParameter, ...format }: SignatureFormat): FormatIssue[] {
  const issues: FormatIssue[] = []
  const isSigned = content.includes('{timestamp}')
  const field = timestampHeader === null ? 'timestampParameter' : 'timestampHeader'
  const isTimed = timestampHeader !== null || timestampParameter !== null
  if (isSigned && !isTimed) {
    issues.push({ field: 'content', message: '{timestamp} needs a timestampHeader or a timestampParameter.' })
  }
  if (isTimed && !isSigned) {
    issues.push({ field, message: 'A time that the template does not sign proves nothing; add {timestamp}.' })
  }
  if (timestampHeader !== null && timestampParameter !== null) {
    issues.push({
      field: 'timestampParameter',
      message: 'The time is in a header of its own or in the list, not both.',
    })
  }
  if (timestampParameter !== null && format.parameter === null) {
    issues.push({
      field: 'timestampParameter',
      message: 'The time can be in the list only where the signature is too.',
    })
  }
  const { min, max } = toleranceBounds
  if (!Number.isInteger(format.toleranceMs) || format.toleranceMs < min || format.toleranceMs > max) {
    issues.push({ field: 'toleranceMs', message: 'The tolerance must be 1,000 to 3,600,000 ms.' })
  }
  return issues
}
