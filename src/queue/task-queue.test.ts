import type { Pool } from 'pg'
import { Registry } from 'prom-client'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts'
import { createPool } from '../db/pool.ts'
import { sqlOfPool, withTransaction } from '../db/sql.ts'
import { createLog } from '../kernel/log.ts'
import { createTaskQueue, defineTask, type TaskQueue } from './index.ts'

const note = defineTask<{ text: string }>({ name: 'note', payload: z.object({ text: z.string() }) })
const log = createLog({ level: 'silent', isPretty: false })

let database: TestDatabase
let pool: Pool
let queues: TaskQueue[] = []

beforeEach(async () => {
  database = await createTestDatabase()
  pool = createPool({ databaseUrl: database.databaseUrl, max: 10, applicationName: 'test', onError: () => undefined })
})

afterEach(async () => {
  await Promise.all(queues.map((queue) => queue.stop()))
  queues = []
  await pool.end()
  await database.drop()
})

function createQueue(graceMs = 1_000): TaskQueue {
  const queue = createTaskQueue({ pool, log, metrics: new Registry(), graceMs })
  queues.push(queue)
  return queue
}

const sql = () => sqlOfPool(pool)
const until = (check: () => unknown) => vi.waitFor(check, { timeout: 15_000, interval: 20 })

async function states(): Promise<string[]> {
  const rows = await sql().query<{ state: string }>(
    `select state::text from pgboss.job where name = 'note' order by id`,
  )
  return rows.map(({ state }) => state)
}

test('processes that start together on an empty database all come up', async () => {
  const [first, second, third] = [createQueue(), createQueue(), createQueue()]
  await Promise.all([first.start([note]), second.start([note]), third.start([note])])
  await third.enqueue(sql(), note, [{ payload: { text: 'a' } }])
  expect(await states()).toEqual(['created'])
})

test('a task is run once, and is gone when its handler has returned', async () => {
  const queue = createQueue()
  await queue.start([note])
  const texts: string[] = []
  queue.handle(note, async ({ text }) => void texts.push(text), { concurrency: 8 })
  await queue.enqueue(
    sql(),
    note,
    Array.from({ length: 200 }, (_, i) => ({ payload: { text: `${i}` } })),
  )
  queue.wake(note)
  await until(async () => expect(await states()).toEqual([]))
  expect(texts).toHaveLength(200)
  expect(new Set(texts).size).toBe(200)
})

test('a task exists only if the transaction that left it commits', async () => {
  const queue = createQueue()
  await queue.start([note])
  const failing = withTransaction(pool, async (transaction) => {
    await queue.enqueue(transaction, note, [{ payload: { text: 'a' } }])
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  expect(await states()).toEqual([])
})

test('of one key only one task waits, but another may wait while one runs', async () => {
  const queue = createQueue()
  await queue.start([note])
  const task = [{ payload: { text: 'a' }, singletonKey: 'k' }]
  await queue.enqueue(sql(), note, task)
  await queue.enqueue(sql(), note, task)
  expect(await states()).toEqual(['created'])
  const gate = Promise.withResolvers<void>()
  queue.handle(note, () => gate.promise, { concurrency: 1 })
  await until(async () => expect(await states()).toEqual(['active']))
  await queue.enqueue(sql(), note, task)
  expect((await states()).sort()).toEqual(['active', 'created'])
  gate.resolve()
})

test('the statement for a pipelined connection leaves the same task', async () => {
  const queue = createQueue()
  await queue.start([note])
  const statement = await queue.insertStatement(note, [{ payload: { text: 'a' }, singletonKey: 'k' }])
  await pool.query({ name: statement.name, text: statement.text, values: statement.values })
  await queue.enqueue(sql(), note, [{ payload: { text: 'b' }, singletonKey: 'k' }])
  const texts: string[] = []
  queue.handle(note, async ({ text }) => void texts.push(text), { concurrency: 1 })
  await until(async () => expect(await states()).toEqual([]))
  expect(texts).toEqual(['a'])
})

test('a handler that throws is tried again', async () => {
  const queue = createQueue()
  await queue.start([note])
  let tries = 0
  queue.handle(
    note,
    async () => {
      tries += 1
      if (tries === 1) throw new Error('not yet')
    },
    { concurrency: 1 },
  )
  await queue.enqueue(sql(), note, [{ payload: { text: 'a' } }])
  await until(() => expect(tries).toBe(1))
  expect(await states()).not.toEqual([])
  await until(async () => expect(await states()).toEqual([]))
  expect(tries).toBe(2)
})

test('a task of which another process took possession cannot be settled', async () => {
  const queue = createQueue()
  await queue.start([note])
  const settled: boolean[] = []
  queue.handle(
    note,
    async (_payload, run) => {
      if (settled.length === 0) await sql().query(`update pgboss.job set retry_count = retry_count + 1`)
      settled.push(await run.settle(sql()))
    },
    { concurrency: 1 },
  )
  await queue.enqueue(sql(), note, [{ payload: { text: 'a' } }])
  await until(() => expect(settled).toEqual([false]))
  expect(await states()).toEqual(['active'])
})

test('a stopping process gives back what it could not end, and another takes it at once', async () => {
  const first = createQueue(50)
  await first.start([note])
  const started = Promise.withResolvers<void>()
  first.handle(
    note,
    (_payload, run) => {
      started.resolve()
      return new Promise((_resolve, reject) => run.signal.addEventListener('abort', () => reject(run.signal.reason)))
    },
    { concurrency: 1 },
  )
  await first.enqueue(sql(), note, [{ payload: { text: 'a' } }])
  first.wake(note)
  await started.promise
  await first.stop()
  expect(await states()).toEqual(['retry'])
  const second = createQueue()
  await second.start([note])
  const texts: string[] = []
  second.handle(note, async ({ text }) => void texts.push(text), { concurrency: 1 })
  await until(() => expect(texts).toEqual(['a']))
})

test('a start that is alone takes back what a killed process had under way', async () => {
  const queue = createQueue()
  await queue.start([note])
  await queue.enqueue(sql(), note, [{ payload: { text: 'a' } }])
  await sql().query(`update pgboss.job set state = 'active', started_on = now(), heartbeat_on = now()`)
  await queue.reclaimActive()
  const texts: string[] = []
  queue.handle(note, async ({ text }) => void texts.push(text), { concurrency: 1 })
  await until(() => expect(texts).toEqual(['a']))
})

test('a task whose process is lost is taken up again after the heart-beat has been missed', async () => {
  const queue = createQueue()
  await queue.start([note])
  await queue.enqueue(sql(), note, [{ payload: { text: 'a' } }])
  await sql().query(
    `update pgboss.job set state = 'active', started_on = now(), heartbeat_on = now() - interval '11 seconds'`,
  )
  const texts: string[] = []
  queue.handle(note, async ({ text }) => void texts.push(text), { concurrency: 1 })
  await until(() => expect(texts).toEqual(['a']))
})

test('one slow task does not hold up the others', async () => {
  const queue = createQueue()
  await queue.start([note])
  const gate = Promise.withResolvers<void>()
  const texts: string[] = []
  queue.handle(
    note,
    async ({ text }) => {
      if (text === '0') await gate.promise
      texts.push(text)
    },
    { concurrency: 4 },
  )
  await queue.enqueue(
    sql(),
    note,
    Array.from({ length: 50 }, (_, i) => ({ payload: { text: `${i}` } })),
  )
  await until(() => expect(texts).toHaveLength(49))
  gate.resolve()
})
