import pg from 'pg'

export interface PoolOptions {
  readonly databaseUrl: string
  /** Connections at most. */
  readonly max: number
  readonly applicationName: string
  readonly onError: (error: Error) => void
}

/** A lock that is not had in this time harms only who waits for it. */
const lockTimeoutMs = 5_000
const statementTimeoutMs = 30_000
const idleInTransactionTimeoutMs = 30_000
/** Without it a query on a connection that died silently would wait for ever. */
const queryTimeoutMs = 40_000

const int8Oid = 20

/** `int8` is read as number: sequences and counters stay below 2^53. */
const typeParsers = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === int8Oid && format !== 'binary'
      ? Number
      : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
}

/** What every connection of ours sets, pooled or dedicated. */
export function clientConfig(options: Pick<PoolOptions, 'databaseUrl' | 'applicationName'>): pg.ClientConfig {
  return {
    connectionString: options.databaseUrl,
    application_name: options.applicationName,
    connectionTimeoutMillis: 5_000,
    lock_timeout: lockTimeoutMs,
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: idleInTransactionTimeoutMs,
    query_timeout: queryTimeoutMs,
    keepAlive: true,
    types: typeParsers,
  }
}

/** The pool that all shares but what has connections of its own. */
export function createPool(options: PoolOptions): pg.Pool {
  return openPool(options, {})
}

/**
 * One connection for prepared statements that find all rows by key and are so large that planning them each time would
 * cost more than running them. They are planned once per connection, and again only when PostgreSQL learns something new
 * of the tables, so the plan must hold whatever these grow to meanwhile. The settings keep it from reading one whole; an
 * equality that a table could be joined by with a hash has to be written so that only an index serves (see settle.ts).
 */
export function createKeyedPool(options: Omit<PoolOptions, 'max'>): pg.Pool {
  const settings = 'set plan_cache_mode = force_generic_plan; set enable_seqscan = off'
  return openPool(
    { ...options, max: 1 },
    {
      // Not as `options` of the connection: those of DATABASE_URL would take their place.
      onConnect: (client) => client.query(settings),
    },
  )
}

function openPool(options: PoolOptions, more: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool({ ...clientConfig(options), ...more, max: options.max, idleTimeoutMillis: 60_000 })
  // An idle connection that breaks is replaced at its next use; without a listener the event would end the process. So it
  // would for one in use that breaks between two statements: of that the next statement tells.
  pool.on('error', options.onError)
  pool.on('connect', (client) => client.on('error', () => undefined))
  return pool
}
