import { Registry } from 'prom-client'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createDeliveryWorld, type DeliveryWorld, until } from '../../test/support/delivery-world.ts'
import { createOrm, type Orm } from '../db/orm.ts'
import { type Sql, withTransaction } from '../db/sql.ts'
import { entities } from '../entities.ts'
import { type EndpointId, newId, type ProjectId, type SourceId } from '../kernel/ids.ts'
import { createLog } from '../kernel/log.ts'
import { createOperationNotices, createOperationRunner, type Operation, type StepTaker } from '../operations/index.ts'
import type { TaskRun } from '../queue/index.ts'
import { createDeliveryNotices } from './delivery-notices.ts'
import { maintainTask } from './maintain.task.ts'
import { createEndpointMatcher, type MatchLimits } from './match-endpoints.ts'
import { narrowRange } from './narrow-range.ts'
import { type ReplayMessagesInput, replayMessages } from './replay-messages.ts'
import { createReplayStep } from './replay-step.ts'

let world: DeliveryWorld
let orm: Orm
let projectId: ProjectId
let sourceId: SourceId
let endpointId: EndpointId

// Nobody works here but the tests themselves: they take the steps.
beforeAll(async () => {
  world = await createDeliveryWorld()
  orm = await createOrm({ pool: world.pool, entities })
})
afterAll(async () => {
  await orm.close()
  await world.close()
})

beforeEach(async () => {
  projectId = await world.createProject()
  sourceId = await world.createSource(projectId)
  await world.sql.query(
    `insert into sources (id, project_id, name, token_hash, token_sealed, max_body_bytes, created_at)
     values ($1, $2, 'orders', sha256($1::text::bytea), '', 1000, now()) on conflict (id) do nothing`,
    [sourceId, projectId],
  )
  endpointId = (await world.createEndpoint(projectId, 'http://127.0.0.1:9/')).id
})

/** Messages of which every fifth is of the type `a`; fanned out before any endpoint was there. */
async function store(count: number): Promise<void> {
  await world.publish(sourceId, count)
  await world.sql.query(
    `update messages set event_type = case when sequence % 5 = 0 then 'a' else 'b' end where source_id = $1`,
    [sourceId],
  )
  await moveMark(world.sql, count)
}

async function moveMark(sql: Sql, to: number): Promise<void> {
  await sql.query(`update fan_out_marks set fanned_out_to = $2 where source_id = $1`, [sourceId, to])
}

async function ask(input: Partial<ReplayMessagesInput> = {}): Promise<Operation> {
  const viewer = { projectId, sourceIds: null, keyId: newId('key'), scopes: new Set<never>(), expiresAt: null }
  const all = { endpointId, skipsExisting: false, ...input }
  const outcome = await replayMessages({ orm, queue: world.queue }, viewer, all)
  if (outcome.kind !== 'done') throw new Error(JSON.stringify(outcome))
  return outcome.value
}

const never = new AbortController().signal
const task: TaskRun = { id: '', closing: never, signal: never, settle: async () => true, postpone: () => undefined }

/** @param spoil called with the number of each step before its commit. */
function runnerOf({ limits, spoil = () => undefined }: { limits?: MatchLimits; spoil?: (step: number) => void } = {}) {
  const log = createLog({ level: 'silent', isPretty: false })
  const matcher = createEndpointMatcher({ log, metrics: new Registry(), ...(limits ? { limits } : {}) })
  const step = createReplayStep({ queue: world.queue, notices: createDeliveryNotices(world.bus), matcher })
  let steps = 0
  const spoiled: StepTaker = async (sql, operation) => {
    const done = await step(sql, operation)
    steps += 1
    spoil(steps)
    return done
  }
  const kinds = { 'replay-messages': spoiled, 'retry-deliveries': spoiled }
  const run = createOperationRunner({ ...world, notices: createOperationNotices(world.bus), kinds, log })
  return async ({ id }: Operation) => {
    while ((await stateOf(id)).status === 'running') await run({ operationId: id }, task).catch(() => undefined)
    return { ...(await stateOf(id)), steps }
  }
}

async function stateOf(id: string) {
  const [row] = await world.sql.query<{ status: string; total: number; done: number; skipped: number }>(
    `select status, total_count as total, done_count as done, skipped_count as skipped from operations where id = $1`,
    [id],
  )
  if (row === undefined) throw new Error('no such operation')
  return row
}

/** The sequences that an operation made deliveries of; all when none is named. */
async function sequences(operation?: Operation): Promise<number[]> {
  const rows = await world.sql.query<{ sequence: number }>(
    `select sequence from deliveries
      where source_id = $1 and ($2::text is null or operation_id = $2) order by sequence, id`,
    [sourceId, operation?.id ?? null],
  )
  return rows.map(({ sequence }) => sequence)
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

test('a replay that breaks off in every other step makes one delivery of each message', async () => {
  await store(2_500)
  const operation = await ask()
  const end = await runnerOf({
    spoil(step) {
      if (step % 2 === 1) throw new Error('Connection terminated unexpectedly')
    },
  })(operation)
  expect(end).toMatchObject({ status: 'completed', total: 2_500, done: 2_500, skipped: 0 })
  expect(await sequences(operation)).toEqual(upTo(2_500))
  const ids = await world.sql.query<{ id: string }>(`select id from deliveries where source_id = $1 order by id`, [
    sourceId,
  ])
  const bySequence = await world.sql.query(`select id from deliveries where source_id = $1 order by sequence`, [
    sourceId,
  ])
  expect(bySequence).toEqual(ids)
  const tasks = await world.sql.query(`select from pgboss.job where name = 'drain' and singleton_key = $1`, [
    endpointId,
  ])
  expect(tasks).toHaveLength(1)
})

test('filters that take too long for one step end it early, and leave nothing out', async () => {
  await store(30)
  await world.sql.query(`update endpoints set filter = $2 where id = $1`, [endpointId, '{"not":{"types":["c"]}}'])
  const operation = await ask({ filter: { types: ['a'] } })
  const end = await runnerOf({ limits: { maxMs: 0, maxPairs: 1_000 } })(operation)
  expect(end).toMatchObject({ status: 'completed', total: 30, done: 30, skipped: 24 })
  expect(end.steps).toBeGreaterThan(25)
  expect(await sequences(operation)).toEqual(upTo(30).filter((n) => n % 5 === 0))
})

test('what exists is skipped, also what another replay makes meanwhile', async () => {
  await store(1_500)
  await runnerOf()(await ask({ sourceId, toSequence: 500 }))
  const both = [await ask({ skipsExisting: true }), await ask({ skipsExisting: true })]
  const ends = await Promise.all(both.map(runnerOf()))
  expect(await sequences()).toEqual(upTo(1_500))
  expect(ends.map(({ done }) => done)).toEqual([1_500, 1_500])
  expect(ends.reduce((sum, { skipped }) => sum + skipped, 0)).toBe(2_000)
})

test('messages that fan-out passes by just now, without knowing the endpoint, are replayed', async () => {
  await world.publish(sourceId, 10)
  const fanOut = Promise.withResolvers<void>()
  const isAtWork = Promise.withResolvers<void>()
  const passing = withTransaction(world.pool, async (sql) => {
    await sql.query(`select from fan_out_marks where source_id = $1 for update`, [sourceId])
    isAtWork.resolve()
    await fanOut.promise
    await moveMark(sql, 8)
  })
  await isAtWork.promise
  const asking = ask()
  await until(async () => {
    const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
    expect(await world.sql.query(waiting)).toHaveLength(1)
  })
  fanOut.resolve()
  await passing
  const operation = await asking
  expect(await runnerOf()(operation)).toMatchObject({ status: 'completed', total: 8 })
  // The last two are fan-out's own.
  expect(await sequences(operation)).toEqual(upTo(8))
})

test('a source that the endpoint no longer listens to, and messages that are dropped, count as skipped', async () => {
  await store(30)
  const other = await world.createSource(projectId)
  const [gone, changed] = [await ask(), await ask()]
  await world.sql.query(`delete from messages where source_id = $1 and sequence <= 10`, [sourceId])
  await world.sql.query(`update source_heads set first_sequence = 11 where source_id = $1`, [sourceId])
  expect(await runnerOf()(gone)).toMatchObject({ status: 'completed', total: 30, done: 30, skipped: 10 })
  expect(await sequences(gone)).toEqual(upTo(30).slice(10))
  await world.sql.query(`update endpoints set source_ids = array[$2] where id = $1`, [endpointId, other])
  expect(await runnerOf()(changed)).toMatchObject({ status: 'completed', total: 30, done: 30, skipped: 30 })
  expect(await sequences(changed)).toEqual([])
})

test('messages of a time are counted exactly, though some are stored out of the order in which they came', async () => {
  await store(400)
  const startMs = Date.UTC(2026, 0, 1)
  // A message each 500 ms, stored up to 8 s out of order.
  let seed = 7
  const received = upTo(400).map((n) => {
    seed = (seed * 48_271) % 2_147_483_647
    return new Date(startMs + n * 500 + (seed % 8_000))
  })
  await world.sql.query(
    `update messages as m set received_at = t.at
       from unnest($2::timestamptz[]) with ordinality as t (at, n) where m.sequence = t.n and m.source_id = $1`,
    [sourceId, received],
  )
  const at = (seconds: number) => new Date(startMs + seconds * 1_000)
  const spans = [
    {},
    { from: at(60) },
    { to: at(60) },
    { from: at(60), to: at(63) },
    { from: at(30), to: at(150) },
    { from: at(500) },
    { to: at(-5) },
    { from: at(-5), to: at(500) },
  ]
  for (const span of spans) {
    const isMeant = (time: Date) => (!span.from || time >= span.from) && (!span.to || time < span.to)
    const meant = upTo(400).filter((n) => isMeant(received[n - 1] ?? new Date(0)))
    const { range, count } = await narrowRange(world.sql, { sourceId, after: 0, upTo: 400 }, span)
    expect(count, JSON.stringify(span)).toBe(meant.length)
    expect(meant.filter((n) => n <= range.after || n > range.upTo)).toEqual([])
    const operation = await ask({ receivedAt: span })
    expect(await runnerOf()(operation)).toMatchObject({ total: meant.length, done: meant.length, skipped: 0 })
    expect(await sequences(operation)).toEqual(meant)
  }
})

test('a replay whose task was lost is found again, and goes on', async () => {
  await store(20)
  const operation = await ask()
  await world.sql.query(`delete from pgboss.job`)
  await world.sql.query(`update operations set updated_at = now() - interval '2 minutes' where id = $1`, [operation.id])
  const worker = await world.startWorker()
  await world.queue.enqueue(world.sql, maintainTask, [{ payload: {} }])
  await until(async () => expect(await stateOf(operation.id)).toMatchObject({ status: 'completed', done: 20 }))
  expect(await sequences(operation)).toEqual(upTo(20))
  await worker.stop()
})
