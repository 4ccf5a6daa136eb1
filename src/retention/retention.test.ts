import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { createDeliveryWorld, type DeliveryWorld, type Receiver, until } from '../../test/support/delivery-world.ts'
import { type Sql, withTransaction } from '../db/sql.ts'
import { createDeliveryStore } from '../deliveries/delivery-store.ts'
import { watchDeliveries } from '../deliveries/index.ts'
import { maintainTask } from '../deliveries/maintain.task.ts'
import type { ProjectId, SourceId } from '../kernel/ids.ts'
import type { Retention } from '../projects/limits.ts'
import { dropMessages } from './drop-messages.ts'
import { moveFloor } from './floor.ts'
import { leaveRetention, resumeRetention } from './look.ts'
import { retainTask } from './retain.task.ts'

const never = { retryDelaysMs: [3_600_000] }
const unlimited: Retention = { maxMessages: null, maxBytes: null, maxAgeHours: null }

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
  await world.sql.query(
    `insert into sources (id, project_id, name, token_hash, token_sealed, max_body_bytes, created_at)
     values ($1, $2, 'orders', 'x', '', 1, now())`,
    [sourceId, projectId],
  )
})

afterEach(() => world.reset())

const sourceRule = (rule: Partial<Retention> | null) =>
  world.sql.query(`update sources set retention = $2 where id = $1`, [
    sourceId,
    rule && JSON.stringify({ ...unlimited, ...rule }),
  ])

const projectRule = (rule: Partial<Retention>) =>
  world.sql.query(`update projects set retention = $2 where id = $1`, [
    projectId,
    JSON.stringify({ ...unlimited, ...rule }),
  ])

/** Messages that are fanned out, to no endpoint. */
async function publish(count: number, bytes = 2): Promise<void> {
  await world.publish(sourceId, count, { body: Buffer.alloc(bytes, 'x') })
  await fannedOut()
}

const fannedOut = () =>
  world.sql.query(
    `update fan_out_marks as m set fanned_out_to = h.last_sequence from source_heads as h where h.source_id = m.source_id`,
  )

const age = (upToSequence: number, hours: number) =>
  world.sql.query(
    `update messages set received_at = now() - make_interval(hours => $3) where source_id = $1 and sequence <= $2`,
    [sourceId, upToSequence, hours],
  )

const floor = (defaultMaxAgeHours: number | null = null) => moveFloor(world.sql, sourceId, defaultMaxAgeHours)

async function sequences(): Promise<number[]> {
  const rows = await world.sql.query<{ sequence: number }>(
    `select sequence from messages where source_id = $1 order by sequence`,
    [sourceId],
  )
  return rows.map((row) => row.sequence)
}

const retain = () => world.queue.enqueue(world.sql, retainTask, [{ payload: { sourceId }, singletonKey: sourceId }])

test('a source keeps as many messages as it may, the latest', async () => {
  await publish(1_000)
  await sourceRule({ maxMessages: 1_000 })
  expect(await floor()).toBe(1)
  await sourceRule({ maxMessages: 7 })
  expect(await floor()).toBe(994)
  await sourceRule({ maxMessages: 1 })
  expect(await floor()).toBe(1_000)
})

test('a source keeps as many bytes as it may, in whole messages', async () => {
  await publish(10, 100)
  await publish(10, 1)
  await publish(10, 100)
  await sourceRule({ maxBytes: 2_010 })
  expect(await floor()).toBe(1)
  await sourceRule({ maxBytes: 2_009 })
  expect(await floor()).toBe(2)
  await sourceRule({ maxBytes: 1_005 })
  expect(await floor()).toBe(16)
  await sourceRule({ maxBytes: 99 })
  expect(await floor()).toBe(31)
})

test('what counts are the bytes that are kept, not those that were', async () => {
  await publish(100, 10)
  await sourceRule({ maxBytes: 500 })
  expect(await floor()).toBe(51)
  await publish(1, 100)
  expect(await floor()).toBe(61)
})

test('a source keeps messages for as long as it may', async () => {
  await publish(500)
  await age(200, 49)
  await age(100, 73)
  await sourceRule({ maxAgeHours: 73 + 1 })
  expect(await floor()).toBe(1)
  await sourceRule({ maxAgeHours: 72 })
  expect(await floor()).toBe(101)
  await sourceRule({ maxAgeHours: 48 })
  expect(await floor()).toBe(201)
  await age(500, 49)
  expect(await floor()).toBe(501)
})

test('of several bounds the first that is passed counts', async () => {
  await publish(100, 10)
  await age(30, 5)
  await sourceRule({ maxMessages: 90, maxBytes: 800, maxAgeHours: 4 })
  expect(await floor()).toBe(31)
  await sourceRule({ maxMessages: 50, maxBytes: 600, maxAgeHours: 4 })
  expect(await floor()).toBe(51)
  await sourceRule({ maxMessages: 50, maxBytes: 100, maxAgeHours: 4 })
  expect(await floor()).toBe(91)
})

test("the source's rule counts before the project's, and that before the server's", async () => {
  await publish(100)
  await age(50, 25)
  expect(await floor(null)).toBe(1)
  expect(await floor(26)).toBe(1)
  await projectRule({ maxAgeHours: 1_000_000_000 })
  expect(await floor(24)).toBe(1)
  await sourceRule({ maxMessages: 90 })
  await projectRule({ maxMessages: 10 })
  expect(await floor(24)).toBe(11)
  await sourceRule(null)
  expect(await floor(24)).toBe(91)
})

const bound = (max: number) => fc.option(fc.integer({ min: 1, max }))
const logs = fc.record({
  // Rising ages make the earliest message the oldest.
  messages: fc.array(fc.record({ bytes: fc.nat(50), laterByHours: fc.nat(3) }), { minLength: 1, maxLength: 40 }),
  rule: fc.record({ maxMessages: bound(40), maxBytes: bound(1_000), maxAgeHours: bound(60) }),
  fannedOutTo: fc.nat(40),
})

test('the floor is where counting one by one finds it, whatever the log and the rule', async () => {
  await fc.assert(
    fc.asyncProperty(logs, async ({ messages, rule, fannedOutTo }) => {
      const ages = messages.map((_, i) =>
        messages.slice(i + 1).reduce((sum, { laterByHours }) => sum + laterByHours, 0),
      )
      await world.sql.query(`delete from messages`)
      await world.sql.query(`update source_heads set first_sequence = 1, last_sequence = 0, log_bytes = 0`)
      for (const [i, { bytes }] of messages.entries()) {
        await world.publish(sourceId, 1, { body: Buffer.alloc(bytes) })
        // Half an hour off every bound, for the time that the test takes.
        await world.sql.query(
          `update messages set received_at = now() - make_interval(mins => $2) where sequence = $1`,
          [i + 1, (ages[i] ?? 0) * 60 + 30],
        )
      }
      await world.sql.query(`update fan_out_marks set fanned_out_to = $1`, [Math.min(fannedOutTo, messages.length)])
      await sourceRule(rule)
      expect(await floor()).toBe(countedFloor(messages, ages, rule, fannedOutTo))
    }),
    { numRuns: 25 },
  )
})

function countedFloor(
  messages: readonly { bytes: number }[],
  ages: readonly number[],
  rule: Retention,
  fannedOutTo: number,
): number {
  const { maxMessages, maxBytes, maxAgeHours } = rule
  for (let first = 1; first <= Math.min(messages.length, fannedOutTo); first += 1) {
    const kept = messages.slice(first - 1)
    const bytes = kept.reduce((sum, message) => sum + message.bytes, 0)
    const isYoung = maxAgeHours === null || (ages[first - 1] ?? 0) < maxAgeHours
    if (isYoung && kept.length <= (maxMessages ?? kept.length) && bytes <= (maxBytes ?? bytes)) return first
  }
  return Math.min(messages.length, fannedOutTo) + 1
}

test('without a rule, and in an empty log, everything stays', async () => {
  expect(await floor(1)).toBe(1)
  await sourceRule({ maxMessages: 1 })
  expect(await floor(1)).toBe(1)
  await sourceRule({})
  await publish(3)
  expect(await floor(1)).toBe(1)
})

test('a looser rule brings nothing back', async () => {
  await publish(10)
  await sourceRule({ maxMessages: 2 })
  expect(await floor()).toBe(9)
  await sourceRule({ maxMessages: 100 })
  expect(await floor()).toBe(9)
})

test('the floor waits for fan-out', async () => {
  await world.publish(sourceId, 100)
  await sourceRule({ maxMessages: 5 })
  expect(await floor()).toBe(1)
  await world.sql.query(`update fan_out_marks set fanned_out_to = 40`)
  expect(await floor()).toBe(41)
  await fannedOut()
  expect(await floor()).toBe(96)
})

test('nothing that is kept is dropped, and nothing else stays, in steps of bounded size', async () => {
  await publish(2_500)
  const step = { sourceId, after: 0, below: 2_201, status: 'expired' } as const
  expect(await dropMessages(world.sql, step)).toMatchObject({ count: 1_000, lastSequence: 1_000, projectId })
  expect(await dropMessages(world.sql, { ...step, after: 1_000 })).toMatchObject({ lastSequence: 2_000 })
  expect(await dropMessages(world.sql, { ...step, after: 2_000 })).toMatchObject({ count: 200 })
  expect(await dropMessages(world.sql, { ...step, after: 2_200 })).toBeNull()
  expect(await sequences()).toEqual(Array.from({ length: 300 }, (_, i) => 2_201 + i))
})

test('a step ends by the bytes of its bodies, but takes one message at least', async () => {
  await publish(3, 20 * 1024 * 1024)
  await publish(1, 40 * 1024 * 1024)
  const counts: (number | undefined)[] = []
  for (let after = 0; after < 4; ) {
    const step = await dropMessages(world.sql, { sourceId, after, below: null, status: 'expired' })
    counts.push(step?.count)
    after = step?.lastSequence ?? 4
  }
  expect(counts).toEqual([2, 2])
})

test('a step ends by the deliveries of its messages, however many endpoints there are', async () => {
  await publish(25)
  await world.sql.query(
    `insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, status, created_at, updated_at)
     select 'dlv_' || m.sequence || '_' || n, m.project_id, m.source_id, m.sequence, m.id, 'ept_' || n, 'delivered',
            now(), now()
       from messages as m
      cross join generate_series(1, 1000) as n`,
  )
  const step = { sourceId, below: null, status: 'expired' } as const
  expect(await dropMessages(world.sql, { ...step, after: 0 })).toMatchObject({ count: 10, deliveryIds: [] })
  expect(await dropMessages(world.sql, { ...step, after: 10 })).toMatchObject({ count: 10 })
  expect(await dropMessages(world.sql, { ...step, after: 20 })).toMatchObject({ count: 5 })
})

test('open deliveries expire with their messages, finished ones stay as they are, and who watches is told', async () => {
  const { id: failing } = await world.createEndpoint(projectId, (await answering(404)).url, null, never)
  const { id: good } = await world.createEndpoint(projectId, (await answering(200)).url)
  await world.startWorker()
  await world.publish(sourceId, 30)
  await until(async () => expect(await world.statuses()).toEqual({ delivered: 30, retrying: 30 }))
  const told = watchStatuses(['expired'])
  await sourceRule({ maxMessages: 10 })
  await retain()
  await until(async () => expect(await world.statuses()).toEqual({ delivered: 30, retrying: 10, expired: 20 }))
  await until(() => expect(told.count()).toBe(20))
  await told.stop()
  const rows = await world.sql.query(
    `select distinct endpoint_id from deliveries where status = 'expired' and next_attempt_at is null`,
  )
  expect(rows).toEqual([{ endpoint_id: failing }])
  expect(good).not.toBe(failing)
  expect(await sequences()).toEqual(Array.from({ length: 10 }, (_, i) => 21 + i))
})

test.each([
  [200, 'delivered'],
  [500, 'expired'],
])('an attempt under way when its delivery expires, answered with %i, leaves it %s', async (status, end) => {
  let answer = () => {}
  const receiver = await world.startReceiver((response) => {
    answer = () => {
      response.statusCode = status
      response.end()
    }
  })
  await world.createEndpoint(projectId, receiver.url, null, never)
  await world.startWorker()
  await world.publish(sourceId)
  await until(() => expect(receiver.requests).toHaveLength(1))
  await sourceRule({ maxBytes: 1 })
  await retain()
  await until(async () => expect(await world.statuses()).toEqual({ expired: 1 }))
  answer()
  await until(async () => expect(await world.attempts()).toMatchObject([{ status }]))
  await until(async () => expect(await world.statuses()).toEqual({ [end]: 1 }))
})

test('what a process that died had not dropped yet is dropped', async () => {
  await publish(1_500)
  await sourceRule({ maxMessages: 10 })
  expect(await floor()).toBe(1_491)
  await dropMessages(world.sql, { sourceId, after: 0, below: 1_491, status: 'expired' })
  expect(await sequences()).toHaveLength(500)
  await world.startWorker()
  await world.queue.enqueue(world.sql, maintainTask, [{ payload: {} }])
  await until(async () => expect(await sequences()).toHaveLength(10))
})

test('several workers at the same log drop the same as one', async () => {
  await world.createEndpoint(projectId, (await answering(404)).url, null, never)
  await world.startWorker()
  await world.publish(sourceId, 2_000)
  await until(async () => expect(await world.statuses()).toEqual({ retrying: 2_000 }))
  const below = 1_901
  const work = async () => {
    for (let after = 0; ; ) {
      const step = await dropMessages(world.sql, { sourceId, after, below, status: 'expired' })
      if (step === null) return
      after = step.lastSequence
    }
  }
  await Promise.all([work(), work(), work()])
  expect(await sequences()).toHaveLength(100)
  expect(await world.statuses()).toEqual({ expired: 1_900, retrying: 100 })
})

test('a log that its rule has become too strict for is found by itself', async () => {
  await publish(50)
  await projectRule({ maxMessages: 20 })
  await world.startWorker()
  await until(async () => expect(await sequences()).toHaveLength(20))
})

test('the look finds the sources that keep too much, and no others', async () => {
  const other = await world.createSource(projectId)
  await world.publish(other, 30)
  await publish(50)
  await sourceRule({ maxMessages: 50 })
  expect(await leaveRetention(world, null)).toBe(0)
  await sourceRule({ maxBytes: 99 })
  expect(await leaveRetention(world, null)).toBe(1)
  await sourceRule({ maxAgeHours: 10 })
  await age(1, 11)
  expect(await leaveRetention(world, 1)).toBe(1)
  await projectRule({ maxMessages: 29 })
  expect(await leaveRetention(world, 1)).toBe(2)
  await world.sql.query(`update fan_out_marks set fanned_out_to = 0 where source_id = $1`, [other])
  expect(await leaveRetention(world, 1)).toBe(1)
})

test.each([false, true])('neither floor nor step reads the whole of a long log (analyzed: %s)', async (isAnalyzed) => {
  await world.createEndpoint(projectId, (await answering(404)).url, null, never)
  await publish(100_000)
  await world.sql.query(
    `insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, status, next_attempt_at,
                             created_at, updated_at)
     select 'dlv_' || m.sequence, m.project_id, m.source_id, m.sequence, m.id, 'ept_1', 'pending', now(), now(), now()
       from messages as m`,
  )
  if (isAnalyzed) await world.sql.query(`analyze`)
  await sourceRule({ maxMessages: 50_000 })
  const scans = await withTransaction(world.pool, async (sql) => {
    const before = await scansOf(sql)
    expect(await leaveRetention({ sql, queue: world.queue }, null)).toBe(1)
    expect(await resumeRetention({ sql, queue: world.queue })).toBe(0)
    expect(await moveFloor(sql, sourceId, null)).toBe(50_001)
    const step = await dropMessages(sql, { sourceId, after: 0, below: 50_001, status: 'expired' })
    expect(step?.deliveryIds).toHaveLength(1_000)
    expect(await resumeRetention({ sql, queue: world.queue })).toBe(1)
    return { before, after: await scansOf(sql) }
  })
  expect(scans.after).toEqual(scans.before)
})

/** How often messages and deliveries were read whole in this transaction. */
async function scansOf(sql: Sql): Promise<object[]> {
  return await sql.query(
    `select relname, seq_scan
       from pg_stat_xact_user_tables
      where relname in ('messages', 'deliveries')
      order by relname`,
  )
}

test('a claim outlives its message', async () => {
  await publish(5)
  await world.sql.query(
    `insert into claims (source_id, key, message_id, sequence, claimed_at) values ($1, 'key:a', 'msg_1', 1, now())`,
    [sourceId],
  )
  await sourceRule({ maxMessages: 1 })
  await world.startWorker()
  await retain()
  await until(async () => expect(await sequences()).toEqual([5]))
  expect(await world.sql.query(`select message_id, sequence from claims`)).toEqual([
    { message_id: 'msg_1', sequence: 1 },
  ])
})

async function answering(status: number): Promise<Receiver> {
  return await world.startReceiver((response) => {
    response.statusCode = status
    response.end()
  })
}

function watchStatuses(statuses: ['expired']) {
  const stopping = new AbortController()
  const seen = new Set<string>()
  const deps = { store: createDeliveryStore(world.sql), bus: world.bus }
  const deliveries = watchDeliveries(deps, { projectId, filter: { statuses }, signal: stopping.signal })
  const reading = (async () => {
    for await (const { id } of deliveries) seen.add(id)
  })()
  return {
    count: () => seen.size,
    async stop() {
      stopping.abort()
      await reading
    },
  }
}
