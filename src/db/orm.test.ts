import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts'
import { createOrm, isUpToDate, migrate, type Orm } from './orm.ts'
import { createPool } from './pool.ts'
import { sqlOfPool } from './sql.ts'

let database: TestDatabase
let pool: ReturnType<typeof createPool>
let orm: Orm

beforeAll(async () => {
  database = await createTestDatabase()
  pool = createPool({ databaseUrl: database.databaseUrl, max: 3, applicationName: 'test', onError: () => undefined })
  orm = await createOrm({ pool, entities: [] })
})

afterAll(async () => {
  await orm.close()
  await pool.end()
  await database.drop()
})

test('a migrated database is up to date, and migrating again changes nothing', async () => {
  expect(await isUpToDate(sqlOfPool(pool))).toBe(true)
  await migrate(orm, database.databaseUrl)
  expect(await isUpToDate(sqlOfPool(pool))).toBe(true)
})

test('a database may have any name: none of another name is asked for', () => {
  expect(orm.config.get('dbName')).toBe(new URL(database.databaseUrl).pathname.slice(1))
})

test('a database of a later version is up to date, one that lacks a migration of ours is not', async () => {
  const sql = sqlOfPool(pool)
  await sql.query(`insert into hookline_migrations (name) values ('9999-later')`)
  expect(await isUpToDate(sql)).toBe(true)
  await sql.query(`delete from hookline_migrations where name = '0001-first'`)
  expect(await isUpToDate(sql)).toBe(false)
})

test('closing while a connection is being made leaves nothing that the end of the pool would wait for', async () => {
  for (const turns of [0, 1, 2, 3]) {
    const ownPool = createPool({ ...database, max: 1, applicationName: 'test', onError: () => undefined })
    const ownOrm = await createOrm({ pool: ownPool, entities: [] })
    const asking = ownOrm.em
      .fork()
      .execute('select 1')
      .catch(() => undefined)
    for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate)
    await ownOrm.close()
    await ownPool.end()
    await asking
  }
})
