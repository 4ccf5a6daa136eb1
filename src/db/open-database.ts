import type { EntitySchema } from '@mikro-orm/postgresql'
import type pg from 'pg'
import { CodedError } from '../kernel/coded-error.ts'
import type { Logger } from '../kernel/log.ts'
import type { EmbeddedPostgres } from './embedded/index.ts'
import { createOrm, migrate, type Orm } from './orm.ts'
import { createKeyedPool, createPool } from './pool.ts'
import { type Sql, sqlOfPool } from './sql.ts'

export interface DatabaseOptions {
  /** Null: the embedded PostgreSQL in `dataDir`. */
  readonly databaseUrl: string | null
  readonly dataDir: string
  /** Connections of the pool at most. */
  readonly poolSize: number
  readonly entities: EntitySchema[]
  readonly log: Logger
  /** Uses the embedded server of a process that runs now, where there is one: for short commands beside it. */
  readonly joinsRunning?: boolean
}

/** One database, migrated, with the pool that everything shares. */
export interface Database {
  readonly databaseUrl: string
  readonly pool: pg.Pool
  /** One more connection, opened when it is first used. */
  readonly keyedPool: pg.Pool
  readonly orm: Orm
  readonly sql: Sql
  /** Null when the server is not ours to run. */
  readonly embedded: EmbeddedPostgres | null
  close(): Promise<void>
}

/**
 * Opens and migrates the database. What was started is closed again when a later step fails.
 *
 * @throws CodedError that says what to do next.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { databaseUrl, embedded } = await locate(options)
  const { log } = options
  let isClosing = false
  const poolOptions = {
    databaseUrl,
    applicationName: 'hookline',
    onError({ message }: Error) {
      if (!isClosing) log.warn({ reason: message }, 'an idle database connection broke; it is replaced when needed')
    },
  }
  const pool = createPool({ ...poolOptions, max: options.poolSize })
  const keyedPool = createKeyedPool(poolOptions)
  const close = async () => {
    isClosing = true
    await Promise.all([pool.end(), keyedPool.end()])
    await embedded?.stop()
  }
  try {
    await checkServer(pool)
    const orm = await createOrm({ pool, entities: options.entities })
    await migrate(orm, databaseUrl)
    const closeAll = async () => {
      await orm.close()
      await close()
    }
    return { databaseUrl, pool, keyedPool, orm, sql: sqlOfPool(pool), embedded, close: closeAll }
  } catch (error) {
    await close()
    throw error
  }
}

async function locate(options: DatabaseOptions): Promise<{ databaseUrl: string; embedded: EmbeddedPostgres | null }> {
  if (options.databaseUrl !== null) return { databaseUrl: options.databaseUrl, embedded: null }
  // Loaded only where it is used: it needs parts of Node and binaries that an external database does without.
  const { runningDatabaseUrl, startEmbeddedPostgres } = await import('./embedded/index.ts')
  const running = options.joinsRunning ? await runningDatabaseUrl(options) : null
  if (running !== null) return { databaseUrl: running, embedded: null }
  const embedded = await startEmbeddedPostgres(options)
  return { databaseUrl: embedded.databaseUrl, embedded }
}

const oldestMajor = 15

async function checkServer(pool: pg.Pool): Promise<void> {
  const version = await serverVersion(pool)
  if (version >= oldestMajor * 10_000) return
  throw new CodedError(
    'DATABASE_TOO_OLD',
    `DATABASE_URL leads to PostgreSQL ${Math.floor(version / 10_000)}; ${oldestMajor} or later is needed.`,
  )
}

async function serverVersion(pool: pg.Pool): Promise<number> {
  try {
    const result = await pool.query<{ version: number }>(`select current_setting('server_version_num')::int as version`)
    return result.rows[0]?.version ?? 0
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new CodedError(
      'DATABASE_UNREACHABLE',
      `The database at DATABASE_URL does not take our connection: ${reason}. ` +
        'Check host, port, name and password, and that the server runs.',
      { cause },
    )
  }
}
