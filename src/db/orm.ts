import { Migrator } from '@mikro-orm/migrations'
import { type EntitySchema, type MigrationObject, MikroORM } from '@mikro-orm/postgresql'
import { PostgresDialect } from 'kysely'
import pg from 'pg'
import { First } from './migrations/0001-first.ts'
import { Ingress } from './migrations/0002-ingress.ts'
import { DeliveryEnds } from './migrations/0003-delivery-ends.ts'
import { StreamTickets } from './migrations/0004-stream-tickets.ts'
import { Listeners } from './migrations/0005-listeners.ts'
import { Outbound } from './migrations/0006-outbound.ts'
import { Stats } from './migrations/0007-stats.ts'
import { SystemEvents } from './migrations/0008-system-events.ts'
import { clientConfig } from './pool.ts'
import type { Sql } from './sql.ts'

export type Orm = MikroORM

/** Append-only; the names are what the table of migrations holds. */
const migrationsList: MigrationObject[] = [
  { name: '0001-first', class: First },
  { name: '0002-ingress', class: Ingress },
  { name: '0003-delivery-ends', class: DeliveryEnds },
  { name: '0004-stream-tickets', class: StreamTickets },
  { name: '0005-listeners', class: Listeners },
  { name: '0006-outbound', class: Outbound },
  { name: '0007-stats', class: Stats },
  { name: '0008-system-events', class: SystemEvents },
]

const migrationsTable = 'hookline_migrations'

/** Tables that are reached by SQL alone; the migrations are their only definition. */
const tablesWithoutEntity = [
  migrationsTable,
  'master_keys',
  'configuration_epoch',
  'source_heads',
  'fan_out_marks',
  'messages',
  'claims',
  'deliveries',
  'attempts',
  'endpoint_states',
  'former_tokens',
  'refusals',
  'stream_tickets',
  'listeners',
  'operations',
  'fresh_counts',
  'rollups',
  'system_events',
  'limit_notices',
]

/** Entities over the given pool, so that they and plain SQL share its connections. The pool stays its maker's to end. */
export async function createOrm(options: { pool: pg.Pool; entities: EntitySchema[] }): Promise<Orm> {
  return await MikroORM.init({
    // The pool's own: of any other name the migrator would ask whether it exists, and then create it.
    dbName: databaseOf(options.pool),
    driverOptions: new PostgresDialect({ pool: keptOpen(options.pool) }),
    entities: options.entities,
    logger: () => undefined,
    discovery: { warnWhenNoEntities: false },
    extensions: [Migrator],
    migrations: {
      migrationsList,
      tableName: migrationsTable,
      snapshot: false,
      transactional: true,
      disableForeignKeys: false,
    },
    schemaGenerator: { ignoreSchema: ['pgboss'], skipTables: tablesWithoutEntity },
  })
}

function databaseOf({ options }: pg.Pool): string {
  return new pg.Client(options).database ?? 'postgres'
}

/** Brings the database up to our migrations. Two processes that start together take turns. */
export async function migrate(orm: Orm, databaseUrl: string): Promise<void> {
  const turn = new pg.Client({
    ...clientConfig({ databaseUrl, applicationName: 'hookline migrate' }),
    lock_timeout: 0,
    statement_timeout: 0,
  })
  // Its end, should it break, ends the turn as well; the migration has a connection of its own.
  turn.on('error', () => undefined)
  await turn.connect()
  try {
    await turn.query(`select pg_advisory_lock(hashtextextended('hookline migrate', 0))`)
    await orm.migrator.up()
  } finally {
    await turn.end()
  }
}

/** Whether the database holds at least our migrations; more of them, from a later version, are no hindrance. */
export async function isUpToDate(sql: Sql): Promise<boolean> {
  const [exists] = await sql.query<{ exists: boolean }>(`select to_regclass($1::text) is not null as exists`, [
    migrationsTable,
  ])
  if (!exists?.exists) return false
  const rows = await sql.query<{ name: string }>(`select name from ${migrationsTable} limit 10000`)
  const present = new Set(rows.map((row) => row.name))
  return migrationsList.every((migration) => present.has(migration.name))
}

// Kysely ends the pool that it is given when the ORM closes; ours outlives the ORM. By then it has forgotten the pool, and
// would lose a client that is still being connected: who waits for the end of the pool would wait for ever.
function keptOpen(pool: pg.Pool): Pick<pg.Pool, 'connect' | 'end' | 'options'> {
  let isEnded = false
  return {
    async connect() {
      const client = await pool.connect()
      if (!isEnded) return client
      client.release()
      throw new Error('the database was closed')
    },
    async end() {
      isEnded = true
    },
    options: pool.options,
  } as Pick<pg.Pool, 'connect' | 'end' | 'options'>
}
