import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts'
import { until } from '../../test/support/until.ts'
import { createPool } from './pool.ts'
import { sqlOfPool, withTransaction } from './sql.ts'

let database: TestDatabase
let pool: ReturnType<typeof createPool>

beforeAll(async () => {
  database = await createTestDatabase()
  pool = createPool({ databaseUrl: database.databaseUrl, max: 3, applicationName: 'test', onError: () => undefined })
})

afterAll(async () => {
  await pool.end()
  await database.drop()
})

test('a connection that breaks between two statements of a transaction fails that transaction alone', async () => {
  const sql = sqlOfPool(pool)
  const broken = withTransaction(pool, async (transaction) => {
    const [own] = await transaction.query<{ pid: number }>('select pg_backend_pid() as pid')
    await sql.query('select pg_terminate_backend($1::int)', [own?.pid])
    await until(() => sql.query('select a.pid from pg_stat_activity as a where a.pid = $1::int', [own?.pid]), [])
    await transaction.query('select 1')
  })
  await expect(broken).rejects.toThrow()
  expect(await withTransaction(pool, (transaction) => transaction.query('select 1 as one'))).toEqual([{ one: 1 }])
})
