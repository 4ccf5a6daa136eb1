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

test('a database of a later version is up to date, one that lacks a migration of ours is not', async () => {
  const sql = sqlOfPool(pool)
  await sql.query(`insert into hookline_migrations (name) values ('9999-later')`)
  expect(await isUpToDate(sql)).toBe(true)
  await sql.query(`delete from hookline_migrations where name = '0001-first'`)
  expect(await isUpToDate(sql)).toBe(false)
})
