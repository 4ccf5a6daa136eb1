import { Registry } from 'prom-client'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createTestDatabase } from '../../test/support/database.ts'
import { redisMissing, startTestRedis } from '../../test/support/redis.ts'
import { until } from '../../test/support/until.ts'
import { createPool } from '../db/pool.ts'
import { type Sql, sqlOfPool } from '../db/sql.ts'
import { newId, type ProjectId, type SourceId } from '../kernel/ids.ts'
import { createLog } from '../kernel/log.ts'
import type { Bus } from '../live/bus.ts'
import { createMemoryBus } from '../live/memory-bus.ts'
import { createRedisBus } from '../live/redis-bus.ts'
import { createRefusalLog, createRefusalStore, type RefusalLog, type RefusalStore, watchRefusals } from './index.ts'
import { insertRefusals } from './refusal-statements.ts'

const projectId: ProjectId = newId('prj')
const silent = createLog({ level: 'silent', isPretty: false })
const never = 3_600_000

let sql: Sql
let store: RefusalStore
let sourceId: SourceId
const leftovers: (() => unknown)[] = []

beforeEach(async () => {
  const database = await createTestDatabase()
  const pool = createPool({ ...database, max: 4, applicationName: 'test', onError: () => undefined })
  leftovers.push(
    () => database.drop(),
    () => pool.end(),
  )
  sql = sqlOfPool(pool)
  store = createRefusalStore(sql)
  await sql.query(`insert into projects (id, name, created_at) values ($1, 'p', now())`, [projectId])
  sourceId = await newSource()
})

afterEach(async () => {
  for (const dispose of leftovers.splice(0).reverse()) await dispose()
})

async function newSource(): Promise<SourceId> {
  const id = newId('src')
  await sql.query(
    `insert into sources (id, project_id, name, token_hash, token_sealed, max_body_bytes, created_at)
     values ($1, $2, $1, $3, '', 1, now())`,
    [id, projectId, Buffer.from(id)],
  )
  return id
}

function openLog(bus: Bus): RefusalLog {
  const log = createRefusalLog({ sql, bus, log: silent, metrics: new Registry(), restMs: 10 })
  leftovers.push(() => log.close())
  return log
}

function newRefusal(detail: string, of: SourceId = sourceId) {
  const origin = { method: 'POST', remoteAddress: '192.0.2.1', bodyBytes: 0 }
  const proof = { signature: null, signedContentDigest: null, clockSkewMs: null }
  return { projectId, sourceId: of, reason: 'RATE_LIMITED', detail, status: 429, ...origin, ...proof } as const
}

/** Writes as another process does: without a wake-up. */
async function write(details: readonly string[], ids = details.map(() => newId('ref'))): Promise<void> {
  const rows = details.map((detail, i) => ({
    ...newRefusal(detail),
    id: ids[i] ?? newId('ref'),
    refusedAt: new Date(),
  }))
  await insertRefusals(sql, rows)
}

function watch(bus: Bus, pollMs = never) {
  const stopping = new AbortController()
  const seen: string[] = []
  const options = { sourceId, signal: stopping.signal }
  const refusals = watchRefusals({ store, bus, pollMs: { healthy: pollMs, unhealthy: pollMs } }, options)
  const reading = (async () => {
    for await (const { detail } of refusals) seen.push(detail)
  })()
  const ended = reading.catch((error: unknown) => error)
  const stop = async () => {
    stopping.abort()
    await ended
  }
  leftovers.push(stop)
  return { seen, ended, stop }
}

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => `${from + i}`)

test('the latest hundred come first, oldest first, then each as it happens', async () => {
  await write(numbers(1, 130))
  const bus = createMemoryBus()
  const { seen } = watch(bus)
  await until(() => seen, numbers(31, 130))
  const log = openLog(bus)
  log.add(newRefusal('131'))
  await until(() => seen, numbers(31, 131))
  log.add(newRefusal('132'))
  await until(() => seen, numbers(31, 132))
})

test('refusals of other sources are not told', async () => {
  const bus = createMemoryBus()
  const { seen } = watch(bus)
  const log = openLog(bus)
  log.add(newRefusal('other', await newSource()))
  log.add(newRefusal('own'))
  await until(() => seen, ['own'])
})

test('what was written without a wake-up is found by the poll, each once', async () => {
  const { seen } = watch(createMemoryBus(), 20)
  await write(['1'])
  await until(() => seen, ['1'])
  for (let from = 2; from < 1_800; from += 300) await write(numbers(from, from + 299))
  await until(() => seen.length, 1_801)
  expect(new Set(seen).size).toBe(1_801)
})

test('what another process wrote late, under an earlier id, is told as well', async () => {
  const early = [newId('ref'), newId('ref')]
  const { seen } = watch(createMemoryBus(), 20)
  await write(['later'])
  await until(() => seen, ['later'])
  await write(['early 1', 'early 2'], early)
  await until(() => seen, ['later', 'early 1', 'early 2'])
})

test('the stream ends when the source is deleted', async () => {
  const { seen, ended } = watch(createMemoryBus(), 20)
  await write(['1'])
  await until(() => seen, ['1'])
  await sql.query(`delete from sources where id = $1`, [sourceId])
  expect(await ended).toMatchObject({ code: 'NOT_FOUND' })
})

test('the stream ends at once when its reader leaves', async () => {
  const { seen, ended, stop } = watch(createMemoryBus())
  await write(['1'])
  await stop()
  expect(await ended).toBeUndefined()
  expect(seen.length).toBeLessThan(2)
})

const missing = await redisMissing()
test.skipIf(missing !== null)('what one process turns away, a reader at another one sees at once', async () => {
  const redis = await startTestRedis()
  leftovers.push(redis.stop)
  const [here, there] = [0, 1].map(() => {
    const bus = createRedisBus({ url: redis.url, log: silent, metrics: new Registry() })
    leftovers.push(() => bus.close())
    return bus
  }) as [Bus, Bus]
  await until(() => here.isHealthy() && there.isHealthy(), true)
  const { seen } = watch(here)
  const [ours, theirs] = [openLog(here), openLog(there)]
  for (let i = 0; i < 20; i += 1) (i % 2 === 0 ? ours : theirs).add(newRefusal(`${i}`))
  await until(() => [...seen].sort((a, b) => Number(a) - Number(b)), numbers(0, 19))
})

test('pages of several sources are read together, newest first, and go on where they ended', async () => {
  const other = await newSource()
  await write(numbers(1, 5))
  const refusals = await store.latest(sourceId, 5)
  const pages = await store.ofSources(
    projectId,
    [
      { sourceId, after: null },
      { sourceId: other, after: null },
    ],
    2,
  )
  expect(pages.get(sourceId)?.map((one) => one.detail)).toEqual(['5', '4', '3'])
  expect(pages.get(other)).toBeUndefined()
  const rest = await store.ofSources(projectId, [{ sourceId, after: refusals[3]?.id ?? null }], 10)
  expect(rest.get(sourceId)?.map((one) => one.detail)).toEqual(['3', '2', '1'])
  expect(await store.ofSources(newId('prj'), [{ sourceId, after: null }], 2)).toEqual(new Map())
  const [first] = refusals
  if (first === undefined) throw new Error('nothing was stored')
  expect(await store.byIds(projectId, [first.id])).toEqual([first])
  expect(await store.byIds(newId('prj'), [first.id])).toEqual([])
})
