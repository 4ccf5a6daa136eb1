import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '../../src/db/embedded/index.ts'
import { createOrm, migrate } from '../../src/db/orm.ts'
import { createPool } from '../../src/db/pool.ts'
import { type Sql, sqlOfPool } from '../../src/db/sql.ts'
import { entities } from '../../src/entities.ts'
import { describeSchema } from './describe-schema.ts'

/**
 * Part of the gate: what the migrations make equals what the entities expect, and the checked-in snapshot, which shows
 * a change of the schema as a diff that can be read. `--write` brings the snapshot up to date.
 */
const snapshot = join(import.meta.dirname, '../snapshots/schema.sql')

await withMigratedDatabase(async (drift, sql) => {
  if (drift !== '') fail(`The entities differ from the migrations. To bring the database to the entities:\n${drift}`)
  const actual = await describeSchema(sql)
  if (process.argv.includes('--write')) return writeFile(snapshot, actual)
  const expected = await readFile(snapshot, 'utf8').catch(() => '')
  if (actual !== expected) fail('The migrations make another schema than test/snapshots/schema.sql: npm run snapshot.')
})

async function withMigratedDatabase(use: (drift: string, sql: Sql) => Promise<void>): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'hookline-gate-'))
  const postgres = await startEmbeddedPostgres({ dataDir })
  const pool = createPool({
    databaseUrl: postgres.databaseUrl,
    max: 2,
    applicationName: 'gate',
    onError: () => undefined,
  })
  try {
    const orm = await createOrm({ pool, entities })
    await migrate(orm, postgres.databaseUrl)
    await use(await orm.schema.getUpdateSchemaSQL({ wrap: false }), sqlOfPool(pool))
    await orm.close()
  } finally {
    await pool.end()
    await postgres.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}

function fail(message: string): void {
  console.error(message)
  process.exitCode = 1
}
