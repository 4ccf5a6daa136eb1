import { Registry } from 'prom-client'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { createDeliveryWorld, type DeliveryWorld } from '../../test/support/delivery-world.ts'
import { until } from '../../test/support/until.ts'
import type { ProjectId } from '../kernel/ids.ts'
import { createLog } from '../kernel/log.ts'
import { createRecorder, fanOutTask, type Recorder, type RecorderLimits } from '../messages/index.ts'
import type { TaskRun } from '../queue/index.ts'
import { createRecordSystemEvents } from './record-system-events.ts'

const log = createLog({ level: 'silent', isPretty: false })
const never = new AbortController().signal
const run: TaskRun = {
  id: 'test',
  closing: never,
  signal: never,
  settle: async () => true,
  postpone: () => undefined,
}

let world: DeliveryWorld
let projectId: ProjectId
const recorders: Recorder[] = []

beforeAll(async () => {
  world = await createDeliveryWorld()
})

afterAll(() => world.close())

beforeEach(async () => {
  projectId = await world.createProject()
})

afterEach(async () => {
  for (const recorder of recorders.splice(0)) await recorder.close()
  await world.reset()
})

/** What a process has. */
function newHandler(limits: Partial<RecorderLimits> = {}): () => Promise<void> {
  const recorder = createRecorder({
    databaseUrl: world.databaseUrl,
    fanOutStatement: (ids) =>
      world.queue.insertStatement(
        fanOutTask,
        ids.map((sourceId) => ({ payload: { sourceId }, singletonKey: sourceId })),
      ),
    onCommitted: () => undefined,
    onError: () => undefined,
    metrics: new Registry(),
    limits,
  })
  recorders.push(recorder)
  const handler = createRecordSystemEvents({ sql: world.sql, recorder, log })
  return () => handler({}, run)
}

async function write(count: number): Promise<void> {
  await world.sql.query(
    `insert into system_events (project_id, type, subject, data, occurred_at)
     select $1, 'hookline.breaker.opened', 'ept_' || n, json_build_object('n', n)::text, '2026-01-31T12:00:00Z'
       from generate_series(1, $2::int) as n`,
    [projectId, count],
  )
}

async function recorded(): Promise<{ sequence: number; subject: string }[]> {
  return await world.sql.query(
    `select m.sequence, m.event_subject as subject
       from messages as m
       join sources as s on s.id = m.source_id and s.is_system and s.project_id = $1
      order by m.sequence`,
    [projectId],
  )
}

const inOrder = (count: number) =>
  Array.from({ length: count }, (_, place) => ({ sequence: place + 1, subject: `ept_${place + 1}` }))
const waiting = async () => (await world.sql.query(`select id from system_events`)).length

test('what the outbox holds becomes messages of the system source, in its order, each a CloudEvent with JSON', async () => {
  await write(1_200)
  await newHandler()()
  expect(await recorded()).toEqual(inOrder(1_200))
  expect(await waiting()).toBe(0)
  const [message] = await world.sql.query(`select * from messages where sequence = 3`)
  expect(message).toMatchObject({
    project_id: projectId,
    content_type: 'application/json',
    event_source: `/projects/${projectId}`,
    event_type: 'hookline.breaker.opened',
    event_subject: 'ept_3',
    event_time: new Date('2026-01-31T12:00:00Z'),
    body: Buffer.from('{"n":3,"occurredAt":"2026-01-31T12:00:00.000Z"}'),
  })
})

test('a worker that dies after it recorded and before it forgot leaves nothing that is recorded twice', async () => {
  await write(20)
  const client = await world.pool.connect()
  try {
    await client.query('begin')
    await client.query(`select from system_events for update`)
    const dying = newHandler()().catch(() => 'died')
    await until(async () => (await recorded()).length, 20)
    await until(() => endDeletion(), 1)
    expect(await dying).toBe('died')
  } finally {
    await client.query('rollback')
    client.release()
  }
  expect(await waiting()).toBe(20)
  await newHandler()()
  expect(await recorded()).toEqual(inOrder(20))
  expect(await waiting()).toBe(0)
})

/** Ends the session that waits to remove rows from the outbox. */
async function endDeletion(): Promise<number> {
  const rows = await world.sql.query(
    `select pg_terminate_backend(pid)
       from pg_stat_activity
      where datname = current_database()
        and wait_event_type = 'Lock'
        and query like 'delete from system_events%'`,
  )
  return rows.length
}

test('two workers at it at the same time record each event once, in order', async () => {
  await write(1_000)
  await Promise.all([newHandler()(), newHandler()()])
  expect(await recorded()).toEqual(inOrder(1_000))
  expect(await waiting()).toBe(0)
})

test('what the recorder has no room for waits until it has', async () => {
  await write(30)
  const overloaded = newHandler({ queueMessages: 10 })
  await expect(overloaded()).rejects.toThrow('not all system events')
  expect(await waiting()).toBe(20)
  await newHandler()()
  expect(await recorded()).toEqual(inOrder(30))
})

test('an event that cannot be stored keeps no other from being recorded', async () => {
  await write(3)
  // As if the database could not hold it.
  await world.sql.query(`alter table messages add constraint unstorable check (event_subject <> 'ept_2') not valid`)
  await newHandler()().finally(() => world.sql.query(`alter table messages drop constraint unstorable`))
  const subjects = (await recorded()).map(({ subject }) => subject)
  expect(subjects).toEqual(['ept_1', 'ept_3'])
  expect(await waiting()).toBe(0)
})
