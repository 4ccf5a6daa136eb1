import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { createDeliveryWorld, type DeliveryWorld, until } from '../../test/support/delivery-world.ts'
import { withTransaction } from '../db/sql.ts'
import { purgeEndpoint } from '../endpoints/index.ts'
import { newId, type ProjectId, type SourceId } from '../kernel/ids.ts'
import { dropMessages } from '../retention/index.ts'
import { purgeSource } from '../sources/purge-source.task.ts'
import { maintainTask } from './maintain.task.ts'
import { promoteDue } from './promote.ts'
import { removeOutlived } from './remove-outlived.ts'

const never = { retryDelaysMs: [3_600_000] }

let world: DeliveryWorld
let projectId: ProjectId
let sourceId: SourceId

beforeAll(async () => {
  world = await createDeliveryWorld()
})

afterAll(() => world.close())

beforeEach(async () => {
  projectId = await world.createProject()
  sourceId = await world.createSource(projectId)
})

afterEach(() => world.reset())

const count = async (table: 'messages' | 'claims' | 'refusals' | 'deliveries' | 'attempts') =>
  (await world.sql.query(`select from ${table}`)).length

async function failing() {
  return await world.startReceiver((response) => {
    response.statusCode = 404
    response.end()
  })
}

test('the open deliveries of a deleted endpoint are called off, the finished ones stay', async () => {
  const good = await world.createEndpoint(projectId, (await world.startReceiver()).url, null, never)
  const bad = await world.createEndpoint(projectId, (await failing()).url, null, never)
  await world.startWorker()
  await world.publish(sourceId, 1_200)
  await until(async () => expect(await world.statuses()).toEqual({ delivered: 1_200, retrying: 1_200 }))
  for (const { id } of [good, bad]) {
    await world.sql.query(`delete from endpoint_states where endpoint_id = $1`, [id])
    await world.queue.enqueue(world.sql, purgeEndpoint, [{ payload: { endpointId: id } }])
  }
  await until(async () => expect(await world.statuses()).toEqual({ delivered: 1_200, canceled: 1_200 }))
})

test('of a deleted source no message, no claim, no refusal and no open delivery stays', async () => {
  await world.createEndpoint(projectId, (await failing()).url, null, never)
  const kept = await world.createSource(projectId)
  await world.startWorker()
  await world.publish(sourceId, 1_100)
  await world.publish(kept, 3)
  await until(async () => expect(await world.statuses()).toEqual({ retrying: 1_103 }))
  await world.sql.query(
    `insert into claims (source_id, key, message_id, claimed_at)
     select $1, 'k' || n, 'm', now() from generate_series(1, 1100) as n`,
    [sourceId],
  )
  await world.sql.query(
    `insert into refusals (id, project_id, source_id, refused_at, reason, detail, status, method, remote_address, body_bytes)
     select 'ref_' || n, 'p', case when n > 1100 then $2 else $1 end, now(), 'RATE_LIMITED', '', 429, 'POST', '::1', 0
       from generate_series(1, 1102) as n`,
    [sourceId, kept],
  )
  for (const table of ['source_heads', 'fan_out_marks']) {
    await world.sql.query(`delete from ${table} where source_id = $1`, [sourceId])
  }
  await world.queue.enqueue(world.sql, purgeSource, [{ payload: { sourceId } }])
  await until(async () => expect(await world.statuses()).toEqual({ canceled: 1_100, retrying: 3 }))
  await until(async () => expect([await count('messages'), await count('claims')]).toEqual([3, 0]))
  await until(async () => expect(await count('refusals')).toBe(2))
})

test('work whose task was lost is found again', async () => {
  const receiver = await world.startReceiver()
  await world.createEndpoint(projectId, receiver.url)
  const gone = await world.createEndpoint(projectId, receiver.url)
  const lostSource = await world.createSource(projectId)
  await world.publish(sourceId, 3)
  await world.publish(lostSource, 2)
  await world.sql.query(`delete from pgboss.job`)
  await world.sql.query(`delete from source_heads where source_id = $1`, [lostSource])
  await world.startWorker()
  await world.queue.enqueue(world.sql, maintainTask, [{ payload: {} }])
  await until(async () => expect(await world.statuses()).toEqual({ delivered: 6 }))
  await until(async () => expect(await count('messages')).toBe(3))
  await world.sql.query(`delete from endpoint_states where endpoint_id = $1`, [gone.id])
  await world.sql.query(`update deliveries set status = 'pending', next_attempt_at = now() where endpoint_id = $1`, [
    gone.id,
  ])
  await world.queue.enqueue(world.sql, maintainTask, [{ payload: {} }])
  await until(async () => expect(await world.statuses()).toEqual({ delivered: 3, canceled: 3 }))
})

test('due endpoints are promoted in the order in which fan-out locks them, so that the two cannot deadlock', async () => {
  const ids = Array.from({ length: 20 }, () => newId('ept')).reverse()
  for (const id of ids) {
    await world.sql.query(`insert into endpoint_states (endpoint_id, project_id) values ($1, $2)`, [id, projectId])
    await world.sql.query(
      `insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, status, next_attempt_at,
                               created_at, updated_at)
       values ($1, $2, 'src', 1, 'msg', $3, 'pending', now(), now(), now())`,
      [newId('dlv'), projectId, id],
    )
  }
  expect(await promoteDue(world)).toEqual(ids.toReversed())
})

test('claims go when their time is over, whatever that was', async () => {
  await world.sql.query(
    `insert into claims (source_id, key, message_id, claimed_at, expires_at)
     select 's', 'k' || n, 'm', now() - interval '7 days', now() + interval '1 day' - n * interval '20 minutes'
       from generate_series(1, 2500) as n`,
  )
  await world.startWorker()
  await world.queue.enqueue(world.sql, maintainTask, [{ payload: {} }])
  await until(async () => expect(await count('claims')).toBe(71))
})

test('a delivery whose message is gone is called off', async () => {
  await world.createEndpoint(projectId, (await failing()).url, null, { retryDelaysMs: [300] })
  await world.startWorker()
  await world.publish(sourceId)
  await until(async () => expect(await world.statuses()).toEqual({ retrying: 1 }))
  await world.sql.query(`delete from messages`)
  await until(async () => expect(await world.statuses()).toEqual({ canceled: 1 }))
  expect(await world.sql.query(`select from deliveries where message_dropped_at is not null`)).toHaveLength(1)
})

const signal = new AbortController().signal

/** How often they were read whole in this transaction. */
const scansText = `
  select relname, seq_scan
    from pg_stat_xact_user_tables
   where relname in ('attempts', 'deliveries')
   order by relname`

test('deliveries go seven days after their messages, with their attempts, whatever became of them', async () => {
  await world.createEndpoint(projectId, (await world.startReceiver()).url, null, never)
  await world.createEndpoint(projectId, (await failing()).url, null, never)
  await world.startWorker()
  await world.publish(sourceId, 30)
  await until(async () => expect(await world.statuses()).toEqual({ delivered: 30, retrying: 30 }))
  await dropMessages(world.sql, { sourceId, after: 0, below: 21, status: 'expired' })
  await dropMessages(world.sql, { sourceId, after: 0, below: 26, status: 'expired' })
  await until(async () => expect(await count('attempts')).toBe(60))
  expect(await world.statuses()).toEqual({ delivered: 30, expired: 25, retrying: 5 })
  const pass = (days: number, below: number) =>
    world.sql.query(
      `update deliveries set message_dropped_at = message_dropped_at - $1 * interval '1 day' where sequence < $2`,
      [days, below],
    )
  await pass(6.9, 31)
  expect(await removeOutlived(world.sql, signal)).toBe(0)
  await pass(0.2, 21)
  await world.queue.enqueue(world.sql, maintainTask, [{ payload: {} }])
  await until(async () => expect(await world.statuses()).toEqual({ delivered: 10, expired: 5, retrying: 5 }))
  expect(await count('attempts')).toBe(20)
})

test('of many deliveries that are to go each goes once, by several workers, and none other is read', async () => {
  await world.sql.query(
    `insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, status, created_at,
                             updated_at, message_dropped_at)
     select 'dlv_' || n, $1, $2, n, 'msg_' || n, 'ept_1', 'delivered', now(), now(),
            case when n % 10 = 0 then now() - interval '8 days' - (n / 3000) * interval '1 hour' end
       from generate_series(1, 100000) as n`,
    [projectId, sourceId],
  )
  await world.sql.query(
    `insert into attempts (id, delivery_id, number, started_at, response_headers)
     select 'att_' || d.id, d.id, 1, now(), repeat('x', 300) from deliveries as d`,
  )
  const counted = withTransaction(world.pool, async (sql) => {
    const before = await sql.query(scansText)
    const removed = await removeOutlived(sql, signal)
    return { before, removed, after: await sql.query(scansText) }
  })
  const [first, second] = await Promise.all([counted, removeOutlived(world.sql, signal)])
  expect(first.removed + second).toBe(10_000)
  expect(first.after).toEqual(first.before)
  expect([await count('deliveries'), await count('attempts')]).toEqual([90_000, 90_000])
})

test('tickets for streams that nobody used are removed, the others stay', async () => {
  await world.sql.query(
    `insert into stream_tickets (ticket_hash, key_id, source_ids, expires_at)
     select sha256(n::text::bytea), 'key', '{}', now() + interval '1 minute' * case when n > 1100 then 1 else -1 end
       from generate_series(1, 1102) as n`,
  )
  await world.startWorker()
  await world.queue.enqueue(world.sql, maintainTask, [{ payload: {} }])
  await until(async () => expect(await world.sql.query('select from stream_tickets')).toHaveLength(2))
})
