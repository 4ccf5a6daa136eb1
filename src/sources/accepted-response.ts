import type { SourceId } from '../kernel/ids.ts'
import type { Issue } from '../kernel/outcome.ts'
import {
  checkCustomHeaderName,
  checkHeaderValue,
  checkText,
  checkWholeNumber,
  issue,
} from '../projects/input-checks.ts'
import type { Sealer } from '../secrets/index.ts'
import type { AcceptedResponse } from '../signatures/index.ts'
import type { StoredHeader, StoredResponse } from './source.entity.ts'

/** What an accepted request shall be answered with. */
export interface ResponseInput {
  /** 200 to 299. */
  readonly status: number
  /** At most 20. */
  readonly headers: readonly HeaderInput[]
  /** At most 8,192 characters; none with the statuses 204 and 205. */
  readonly body: string
}

export interface HeaderInput {
  readonly name: string
  readonly value: string
  /** Then it is stored sealed and never shown again. */
  readonly isSecret: boolean
}

const statusBounds = { min: 200, max: 299 }
const statusesWithoutBody = [204, 205]
const maxHeaders = 20
const bodyBounds = { min: 0, max: 8_192 } as const

export function checkResponse({ status, headers, body }: ResponseInput): Issue[] {
  const path = ['input', 'acceptedResponse']
  const issues = [
    ...checkWholeNumber(status, [...path, 'status'], statusBounds),
    ...checkText(body, [...path, 'body'], bodyBounds),
  ]
  if (body !== '' && statusesWithoutBody.includes(status)) {
    issues.push(issue('MALFORMED', [...path, 'body'], `An answer with the status ${status} has no body.`))
  }
  if (headers.length > maxHeaders) {
    return [...issues, issue('OUT_OF_RANGE', [...path, 'headers'], `At most ${maxHeaders} header fields are possible.`)]
  }
  const ofHeaders = [...headers.entries()].flatMap(([position, header]) =>
    checkHeader(header, [...path, 'headers', `${position}`]),
  )
  return [...issues, ...ofHeaders]
}

function checkHeader({ name, value }: HeaderInput, path: readonly string[]): Issue[] {
  const ofValue = checkHeaderValue(value, [...path, 'value'])
  if (!/^webhook-/i.test(name)) return [...checkCustomHeaderName(name, [...path, 'name']), ...ofValue]
  return [issue('MALFORMED', [...path, 'name'], `The header ${name} is Hookline's to set.`), ...ofValue]
}

/** The answer as it is stored. */
export function sealResponse(sealer: Sealer, sourceId: SourceId, input: ResponseInput): StoredResponse {
  const { status, headers, body } = input
  const seal = ({ name, value, isSecret }: HeaderInput): StoredHeader =>
    isSecret ? { name, sealed: sealer.seal(value, { table: 'sources', rowId: sourceId }) } : { name, value }
  return { status, headers: headers.map(seal), body }
}

/**
 * The answer as it is sent.
 *
 * @throws SealError when a value does not open.
 */
export function openResponse(sealer: Sealer, sourceId: SourceId, stored: StoredResponse): AcceptedResponse {
  const open = (sealed: string) => sealer.open(sealed, { table: 'sources', rowId: sourceId })
  return withHeaders(stored, (header) => ('sealed' in header ? open(header.sealed) : header.value))
}

/** The answer as it is shown. */
export function shownResponse(stored: StoredResponse): AcceptedResponse {
  return withHeaders(stored, (header) => ('sealed' in header ? '[redacted]' : header.value))
}

function withHeaders(stored: StoredResponse, show: (header: StoredHeader) => string): AcceptedResponse {
  const { status, headers, body } = stored
  return { status, headers: headers.map((header) => [header.name, show(header)] as const), body }
}
