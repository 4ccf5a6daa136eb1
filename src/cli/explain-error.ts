import { CodedError } from '../kernel/coded-error.ts'
import type { Logger } from '../kernel/log.ts'
import { Failure } from './command.ts'

/** Logs an error for those who set LOG_LEVEL=debug, and makes it the sentences that the rest will read. */
export function reported(error: unknown, log: Logger): Failure {
  log.debug({ err: error }, 'failed')
  return new Failure(explainError(error))
}

/** Says to a person at a terminal what went wrong and what to do next. */
export function explainError(error: unknown): string {
  const chain = causesOf(error)
  const told = chain.find((cause) => cause instanceof Failure || cause instanceof CodedError)
  // That one speaks of any reason at all; the one behind it is often known.
  const isGeneral = told instanceof CodedError && told.code === 'DATABASE_UNREACHABLE'
  if (told !== undefined && !isGeneral) return textOf(told)
  for (const cause of chain) {
    const explained = explainDatabaseError(cause as DatabaseError)
    if (explained !== null) return explained
  }
  return told === undefined ? `${chain[0]?.message || String(error)}. LOG_LEVEL=debug tells more.` : textOf(told)
}

function textOf(error: Error): string {
  return error instanceof CodedError ? error.publicMessage : error.message
}

/** What `pg` throws: node's error when there is no connection, else one with PostgreSQL's SQLSTATE as code. */
interface DatabaseError extends Error {
  readonly code?: string
  readonly address?: string
  readonly port?: number
  readonly hostname?: string
}

function explainDatabaseError({ code, address, port, hostname, message }: DatabaseError): string | null {
  const place = port === undefined ? address : `${address}:${port}`
  switch (code) {
    case 'ECONNREFUSED':
    case 'ENOENT':
      if (address === undefined && code === 'ENOENT') return null
      return `Nothing listens at ${place ?? 'the address of DATABASE_URL'}. Start PostgreSQL there, or correct DATABASE_URL.`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `The host ${hostname ?? ''} of DATABASE_URL cannot be resolved. Correct its name, or the name service.`
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `${place ?? 'The host of DATABASE_URL'} does not answer. Check DATABASE_URL and the firewalls on the way.`
    case '28P01':
    case '28000':
      return `PostgreSQL refuses the login: ${message}. Correct user and password in DATABASE_URL.`
    case '3D000':
      return `PostgreSQL says: ${message}. Create the database, or correct its name in DATABASE_URL.`
    case '42501':
      return `PostgreSQL says: ${message}. The role in DATABASE_URL must own the database, or may create in it.`
    case '53300':
      return `PostgreSQL has no connection left: ${message}. Lower DATABASE_POOL_SIZE, or raise its max_connections.`
    case '57P03':
      return `PostgreSQL is not ready yet: ${message}. Try again in a moment.`
    default:
      return null
  }
}

// The error, what it wraps and what is behind it, from the outside in.
function causesOf(error: unknown): Error[] {
  const chain: Error[] = []
  const waiting: unknown[] = [error]
  for (let next = waiting.shift(); next !== undefined && chain.length < 20; next = waiting.shift()) {
    if (!(next instanceof Error) || chain.includes(next)) continue
    chain.push(next)
    if (next instanceof AggregateError) waiting.push(...next.errors)
    waiting.push(next.cause)
  }
  return chain
}
