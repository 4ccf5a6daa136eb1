import { expect, onTestFinished, test } from 'vitest'
import { createTestDatabase } from '../../test/support/database.ts'
import { createOrm, migrate } from './orm.ts'
import { createPool } from './pool.ts'
import { sqlOfPool } from './sql.ts'

/** A database as the first version left it. */
async function openFirstVersion() {
  const { databaseUrl, drop } = await createTestDatabase()
  const pool = createPool({ databaseUrl, max: 3, applicationName: 'test', onError: () => undefined })
  const sql = sqlOfPool(pool)
  await sql.query(`drop schema public cascade`)
  await sql.query(`create schema public`)
  const orm = await createOrm({ pool, entities: [] })
  await orm.migrator.up({ to: '0001-first' })
  onTestFinished(async () => {
    await orm.close()
    await pool.end()
    await drop()
  })
  return { sql, upgrade: () => migrate(orm, databaseUrl) }
}

const insertMessages = `
  insert into messages (source_id, sequence, id, project_id, received_at, method, headers, remote_address, body)
  select $1, n, $1 || n, 'prj', now(), 'POST', '[]', '::1', decode(repeat('00', n::int - 1), 'hex')
    from generate_series(1, $2::int) as n`

test('the messages of an earlier version count by their bytes', async () => {
  const { sql, upgrade } = await openFirstVersion()
  for (const [sourceId, count] of [
    ['src_a', 3],
    ['src_b', 5],
    ['src_empty', 0],
  ]) {
    await sql.query(`insert into source_heads (source_id, project_id, log_epoch) values ($1, 'prj', 'e')`, [sourceId])
    await sql.query(insertMessages, [sourceId, count])
  }
  await upgrade()
  expect(await sql.query(`select source_id, log_bytes from source_heads order by 1`)).toEqual([
    { source_id: 'src_a', log_bytes: 3 },
    { source_id: 'src_b', log_bytes: 10 },
    { source_id: 'src_empty', log_bytes: 0 },
  ])
  const rows = await sql.query<{ log_bytes: number }>(`select log_bytes from messages order by source_id, sequence`)
  expect(rows.map((row) => row.log_bytes)).toEqual([0, 1, 3, 0, 1, 3, 6, 10])
})

test('an event that an earlier version took is still a duplicate', async () => {
  const { sql, upgrade } = await openFirstVersion()
  await sql.query(
    `insert into claims (source_id, key, message_id, claimed_at) values ('src_a', '72d3162e', 'msg_1', now())`,
  )
  await upgrade()
  expect(await sql.query(`select key, expires_at > now() as holds from claims`)).toEqual([
    { key: 'event:72d3162e', holds: true },
  ])
})

test('deliveries whose messages an earlier version removed are on their way out, the others stay', async () => {
  const { sql, upgrade } = await openFirstVersion()
  await sql.query(insertMessages, ['src_a', 1])
  await sql.query(
    `insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, status, next_attempt_at,
                             created_at, updated_at)
     values ('kept', 'prj', 'src_a', 1, 'src_a1', 'ept', 'delivered', null, now(), now()),
            ('open', 'prj', 'src_b', 1, 'src_b1', 'ept', 'pending', now(), now(), now()),
            ('left', 'prj', 'src_b', 2, 'src_b2', 'ept', 'canceled', null, now(), now())`,
  )
  await upgrade()
  expect(await sql.query(`select id from deliveries where message_dropped_at is not null`)).toEqual([{ id: 'left' }])
})
