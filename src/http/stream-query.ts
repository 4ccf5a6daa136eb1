import type { IncomingHttpHeaders } from 'node:http'
import { parseRfc3339 } from '../kernel/date-time.ts'
import { parseMessageFilter } from '../messages/message-filter-json.ts'
import type { StreamRequest } from '../streams/index.ts'
import type { Problem } from './problem.ts'

const maxSources = 100
const repeatable = ['source', 'after'] as const
const single = ['since', 'filter', 'ticket'] as const
const parameters: readonly string[] = [...repeatable, ...single]

/** Reads what `GET /stream` is asked for. */
export function parseStreamQuery(query: string | null, headers: IncomingHttpHeaders): StreamRequest | Problem {
  const given = new URLSearchParams(query ?? '')
  const unknown = [...given.keys()].find((name) => !parameters.includes(name))
  if (unknown !== undefined) return badInput(`There is no parameter ${JSON.stringify(unknown)}.`)
  const repeated = single.find((name) => given.getAll(name).length > 1)
  if (repeated !== undefined) return badInput(`\`${repeated}\` can be given once.`)
  const ticket = given.get('ticket')
  const sources = [...new Set(given.getAll('source'))]
  const problem = sourcesProblem(sources, ticket !== null) ?? afterProblem(given.getAll('after'))
  if (problem !== null) return badInput(problem)
  const since = parseSince(given.get('since'))
  if (since === undefined) return badInput('`since` needs RFC 3339, such as 2026-11-22T00:31:00Z.')
  const filter = parseFilter(given.get('filter'))
  if (typeof filter === 'string') return badInput(filter)
  const after = [...given.getAll('after'), ...lastEventIds(headers)]
  return { authorization: headers.authorization, ticket, sources, after, since, filter }
}

function sourcesProblem(sources: readonly string[], hasTicket: boolean): string | null {
  if (sources.length === 0 && !hasTicket) return '`source` is needed: the name or id of a source; up to 100 of them.'
  if (sources.length > maxSources) return '`source` can be given 100 times at most.'
  const isMalformed = sources.some((text) => text === '' || text.includes('\0'))
  return isMalformed ? '`source` needs the name or id of a source.' : null
}

function afterProblem(after: readonly string[]): string | null {
  return after.length > maxSources ? '`after` needs one cursor per source, 100 at most.' : null
}

/** What a reader was told last counts for more than the address, which stays as it was when it comes again. */
function lastEventIds({ 'last-event-id': id }: IncomingHttpHeaders): string[] {
  return typeof id === 'string' && id !== '' ? [id] : []
}

/** @returns undefined for what is no time. */
function parseSince(text: string | null): Date | null | undefined {
  // A plus sign that was not encoded, as in +01:00, stands for a space in a query.
  return text === null ? null : (parseRfc3339(text.replace(' ', '+')) ?? undefined)
}

/** @returns a sentence for what is no filter. */
function parseFilter(text: string | null): StreamRequest['filter'] | string {
  if (text === null) return null
  const parsed = parseMessageFilter(text, ['filter'])
  return parsed.kind === 'filter' ? parsed.filter : `\`${parsed.issue.path.join('.')}\`: ${parsed.issue.message}`
}

function badInput(detail: string): Problem {
  return { status: 400, code: 'BAD_USER_INPUT', detail }
}
