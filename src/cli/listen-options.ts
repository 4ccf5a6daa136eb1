import { parseRfc3339 } from '../kernel/date-time.ts'
import { type CommandInput, UsageError } from './command.ts'

const commandName = 'listen'

/** What to print of a message beneath its line. */
export type PrintedPart = 'headers' | 'body'

export interface ListenOptions {
  /** Null: print only. */
  readonly forwardTo: URL | null
  /** A `MessageFilter`; null: all. */
  readonly filter: object | null
  /** RFC 3339; null: now. */
  readonly since: string | null
  /** Of the listener that keeps the place; null: none does. */
  readonly name: string | null
  readonly parts: readonly PrintedPart[]
  readonly isJson: boolean
  /** Null: until stopped. */
  readonly exitAfter: number | null
}

/** @throws UsageError for what does not fit; the filter's fields are for the gateway to check. */
export function parseListenOptions({ options, switches }: CommandInput, nowMs: number): ListenOptions {
  const isJson = switches.has('json')
  if (isJson && options.print !== undefined) throw misuse('--json prints everything: leave --print out')
  if (options.filter !== undefined && options.type !== undefined) throw misuse('--filter and --type exclude each other')
  return {
    forwardTo: options.forward === undefined ? null : parseTarget(options.forward),
    filter: parseFilter(options.filter) ?? parseTypes(options.type),
    since: options.since === undefined ? null : parseSince(options.since, nowMs),
    name: options.name ?? null,
    parts: parseParts(options.print ?? 'none'),
    isJson,
    exitAfter: options['exit-after'] === undefined ? null : parseCount(options['exit-after']),
  }
}

function parseTarget(text: string): URL {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`)
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw misuse(`--forward is "${text}": expected an address such as http://localhost:3000/hook`)
  }
  if (url.username !== '' || url.password !== '') throw misuse('--forward cannot hold a user and a password')
  return url
}

function parseFilter(text: string | undefined): object | null {
  if (text === undefined) return null
  const example = `a MessageFilter as JSON, such as '{"types":["order.*"]}'`
  try {
    const filter: unknown = JSON.parse(text)
    if (typeof filter === 'object' && filter !== null && !Array.isArray(filter)) return filter
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw misuse(`--filter is no JSON (${reason}): expected ${example}`)
  }
  throw misuse(`--filter is no object: expected ${example}`)
}

function parseTypes(text: string | undefined): object | null {
  if (text === undefined) return null
  const types = text.split(',').map((type) => type.trim())
  if (types.includes('')) throw misuse(`--type is "${text}": expected types such as order.*,invoice.paid`)
  return { types }
}

const unitMs: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

function parseSince(text: string, nowMs: number): string {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  const time = count === undefined ? parseRfc3339(text) : new Date(nowMs - Number(count) * (unitMs[unit] ?? 0))
  if (time !== null && time.getTime() > 0) return time.toISOString()
  throw misuse(`--since is "${text}": expected a time such as 2030-01-31T12:00:00Z, or 90s, 10m, 2h, 1d`)
}

function parseParts(text: string): PrintedPart[] {
  const words = text.split(',')
  if (text === 'none') return []
  if (words.every((word) => word === 'headers' || word === 'body')) {
    return (['headers', 'body'] as const).filter((part) => words.includes(part))
  }
  throw misuse(`--print is "${text}": expected headers, body, headers,body or none`)
}

function parseCount(text: string): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (count < 1) throw misuse(`--exit-after is "${text}": expected a whole number from 1 on`)
  return count
}

function misuse(message: string): UsageError {
  return new UsageError(message, commandName)
}
