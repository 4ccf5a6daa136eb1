import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createDeliveryWorld, type DeliveryWorld, until } from '../../test/support/delivery-world.ts'
import type { Viewer } from '../auth/viewer.ts'
import { type Sql, withTransaction } from '../db/sql.ts'
import { newId, type OperationId, type ProjectId } from '../kernel/ids.ts'
import { createLog } from '../kernel/log.ts'
import type { TaskRun } from '../queue/index.ts'
import {
  beginOperation,
  createOperationNotices,
  createOperationRunner,
  createOperationStore,
  type Operation,
  type OperationStep,
  removeOldOperations,
  resumeOperations,
  runOperation,
  runOperationFor,
  type StepTaker,
} from './index.ts'
import { watchOperation } from './watch-operation.ts'

let world: DeliveryWorld
let projectId: ProjectId

beforeAll(async () => {
  world = await createDeliveryWorld()
  await world.sql.query(`create table effects (operation_id text, place int)`)
})
afterAll(() => world.close())
beforeEach(async () => {
  projectId = await world.createProject()
})

const steps = 10

/** Writes down each place that it comes by. */
const writePlace: StepTaker = async (sql, { id, progress }): Promise<OperationStep> => {
  const { place } = progress as { place: number }
  if (place === steps) return { kind: 'over' }
  await sql.query(`insert into effects values ($1, $2)`, [id, place])
  return { kind: 'moved', progress: { place: place + 1 }, done: 1, skipped: place % 2 }
}

async function placesOf(id: OperationId): Promise<number[]> {
  const text = `select place from effects where operation_id = $1 order by place`
  return (await world.sql.query<{ place: number }>(text, [id])).map(({ place }) => place)
}

async function begin(totalCount: number | null = steps): Promise<Operation> {
  const viewer: Viewer = { projectId, sourceIds: null, keyId: newId('key'), scopes: new Set(), expiresAt: null }
  const operation = { kind: 'replay-messages', sourceIds: null, input: {}, progress: { place: 0 }, totalCount } as const
  const outcome = await withTransaction(world.pool, (sql) => beginOperation(sql, world.queue, viewer, operation))
  if (outcome.kind !== 'done') throw new Error(outcome.kind)
  return outcome.value
}

async function read(id: OperationId): Promise<Operation> {
  const [found] = await createOperationStore(world.sql).byIds({ projectId, sourceIds: null }, [id])
  if (found === undefined) throw new Error('no such operation')
  return found
}

const never = new AbortController().signal

const log = createLog({ level: 'silent', isPretty: false })

function runnerOf(step: StepTaker, options: { readonly turnMs?: number; readonly retryDelayMs?: number } = {}) {
  const notices = createOperationNotices(world.bus)
  const kinds = { 'replay-messages': step, 'retry-deliveries': step }
  const run = createOperationRunner({ ...world, notices, kinds, log, ...options })
  return async ({ id: operationId }: Operation, signal = never) => {
    let isPostponed = false
    const task: TaskRun = {
      id: 'task',
      closing: signal,
      signal: never,
      settle: async () => true,
      postpone: () => {
        isPostponed = true
      },
    }
    await run({ operationId }, task)
    return isPostponed
  }
}

const allPlaces = Array.from({ length: steps }, (_, place) => place)

test('an operation that breaks off in any step goes on where it stood: nothing is done twice or left out', async () => {
  const operation = await begin()
  let calls = 0
  const run = runnerOf(async (sql, at) => {
    const step = await writePlace(sql, at)
    calls += 1
    // Every other time the connection ends before the commit.
    if (calls % 2 === 1) throw new Error('Connection terminated unexpectedly')
    return step
  })
  let deaths = 0
  while ((await read(operation.id)).status === 'running') await run(operation).catch(() => (deaths += 1))
  expect(deaths).toBe(steps + 1)
  expect(await placesOf(operation.id)).toEqual(allPlaces)
  expect(await read(operation.id)).toMatchObject({ status: 'completed', doneCount: 10, skippedCount: 5 })
})

test('two that work on the same operation do nothing twice', async () => {
  const operation = await begin()
  const run = runnerOf(writePlace)
  await Promise.all([run(operation), run(operation), run(operation)])
  expect(await placesOf(operation.id)).toEqual(allPlaces)
  expect(await read(operation.id)).toMatchObject({ status: 'completed', doneCount: 10, totalCount: 10 })
})

test('a step that fails now and then is tried again, and does nothing twice', async () => {
  const operation = await begin()
  let calls = 0
  const run = runnerOf(
    async (sql, at) => {
      const step = await writePlace(sql, at)
      calls += 1
      if (calls % 5 !== 0) throw new Error('a lock, perhaps')
      return step
    },
    { retryDelayMs: 0 },
  )
  await run(operation)
  expect(await placesOf(operation.id)).toEqual(allPlaces)
  expect(await read(operation.id)).toMatchObject({ status: 'completed', doneCount: 10 })
})

test('an operation whose step keeps failing ends as failed, says so, and makes room for others', async () => {
  const operation = await begin()
  const run = runnerOf(
    async (sql, at) => {
      if ((at.progress as { place: number }).place === 4) throw new Error('column "secret" does not exist')
      return await writePlace(sql, at)
    },
    { retryDelayMs: 0 },
  )
  await run(operation)
  const ended = await read(operation.id)
  expect(ended).toMatchObject({ status: 'failed', doneCount: 4, failureDetail: expect.stringContaining('internal') })
  expect(ended.failureDetail).not.toContain('secret')
  expect(ended.finishedAt).not.toBeNull()
})

test('what was counted and is not there any more counts as skipped', async () => {
  const operation = await begin(15)
  await runnerOf(writePlace)(operation)
  expect(await read(operation.id)).toMatchObject({ totalCount: 15, doneCount: 15, skippedCount: 10 })
})

test('a process that stops leaves the rest to others', async () => {
  const operation = await begin()
  const closing = new AbortController()
  const stops: StepTaker = async (sql, at) => {
    const step = await writePlace(sql, at)
    if ((at.progress as { place: number }).place === 3) closing.abort()
    return step
  }
  expect(await runnerOf(stops)(operation, closing.signal)).toBe(true)
  expect(await read(operation.id)).toMatchObject({ status: 'running', doneCount: 4 })
  expect(await runnerOf(writePlace)(operation)).toBe(false)
  expect(await placesOf(operation.id)).toEqual(allPlaces)
})

test('a long operation lets others have their turn', async () => {
  const [long, other] = [await begin(), await begin()]
  const run = runnerOf(writePlace, { turnMs: 0 })
  await world.sql.query(`delete from pgboss.job where name = 'run-operation'`)
  await world.queue.enqueue(world.sql, runOperation, [runOperationFor(other.id)])
  await run(long)
  expect(await read(long.id)).toMatchObject({ status: 'running', doneCount: 1 })
  const text = `select singleton_key as id from pgboss.job where name = 'run-operation' order by created_on`
  expect(await world.sql.query(text)).toEqual([{ id: other.id }, { id: long.id }])
})

test('an operation that runs but has no task gets one again; one that is being worked on does not', async () => {
  const tasksOf = async (id: OperationId) =>
    (await world.sql.query(`select from pgboss.job where name = 'run-operation' and singleton_key = $1`, [id])).length
  const [idle, busy, over] = [await begin(), await begin(), await begin()]
  await runnerOf(writePlace)(over)
  await world.sql.query(`delete from pgboss.job where name = 'run-operation'`)
  const ago = (seconds: number, { id }: Operation) =>
    world.sql.query(`update operations set updated_at = now() - make_interval(secs => $2) where id = $1`, [id, seconds])
  await ago(70, idle)
  await ago(70, over)
  await ago(10, busy)
  expect(await resumeOperations(world)).toBe(1)
  expect([await tasksOf(idle.id), await tasksOf(busy.id), await tasksOf(over.id)]).toEqual([1, 0, 0])
})

test('operations are forgotten 30 days after their end', async () => {
  const [old, recent, running] = [await begin(), await begin(), await begin()]
  const finish = (sql: Sql, { id }: Operation, days: number) =>
    sql.query(`update operations set finished_at = now() - make_interval(days => $2) where id = $1`, [id, days])
  await finish(world.sql, old, 31)
  await finish(world.sql, recent, 29)
  expect(await removeOldOperations(world.sql, 100)).toBe(1)
  const page = await createOperationStore(world.sql).page({ projectId, sourceIds: null }, { first: 10, after: null })
  expect(page.rows.map(({ id }) => id)).toEqual([running.id, recent.id])
})

test('who watches is told of every state that lasts, of the end at once, and at no time too often', async () => {
  const operation = await begin()
  const store = createOperationStore(world.sql)
  const reach = { projectId, sourceIds: null }
  const restMs = 200
  const told: { done: number; ms: number }[] = []
  const watching = (async () => {
    const deps = { store, bus: world.bus, restMs }
    for await (const { doneCount } of watchOperation(deps, { reach, operation, signal: never })) {
      told.push({ done: doneCount, ms: performance.now() })
    }
  })()
  const gates = Array.from({ length: steps + 1 }, () => Promise.withResolvers<void>())
  const running = runnerOf(async (sql, at) => {
    await gates[(at.progress as { place: number }).place]?.promise
    return await writePlace(sql, at)
  })(operation)
  await until(() => expect(told.map(({ done }) => done)).toEqual([0]))
  gates[0]?.resolve()
  await until(() => expect(told.at(-1)?.done).toBe(1))
  for (const gate of gates.slice(1, steps)) gate.resolve()
  await until(() => expect(told.at(-1)?.done).toBe(steps))
  const lastMs = told.at(-1)?.ms ?? 0
  gates[steps]?.resolve()
  await Promise.all([watching, running])
  const end = told.at(-1)?.ms ?? 0
  expect(end - lastMs).toBeLessThan(restMs)
  const rests = told.slice(2, -1).map(({ ms }, index) => ms - (told[index + 1]?.ms ?? 0))
  for (const rest of rests) expect(rest).toBeGreaterThan(restMs - 20)
})

test('a wake-up that is lost delays what is told, no more', async () => {
  const operation = await begin()
  const deaf = { subscribe: () => () => undefined, isHealthy: () => false }
  const reach = { projectId, sourceIds: null }
  const deps = { store: createOperationStore(world.sql), bus: deaf, restMs: 10 }
  const states: string[] = []
  const watching = (async () => {
    for await (const { status } of watchOperation(deps, { reach, operation, signal: never })) states.push(status)
  })()
  await until(() => expect(states).toEqual(['running']))
  await runnerOf(writePlace)(operation)
  await watching
  expect(states.at(-1)).toBe('completed')
})
