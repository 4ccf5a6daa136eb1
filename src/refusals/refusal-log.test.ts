import { Registry } from 'prom-client'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts'
import { until } from '../../test/support/until.ts'
import { createPool } from '../db/pool.ts'
import { type Sql, sqlOfPool } from '../db/sql.ts'
import { newId, type ProjectId, type SourceId } from '../kernel/ids.ts'
import { createLog } from '../kernel/log.ts'
import { createMemoryBus } from '../live/memory-bus.ts'
import { createRefusalLog, createRefusalStore, type NewRefusal, type RefusalLog, type RefusalStore } from './index.ts'

const projectId: ProjectId = newId('prj')

let database: TestDatabase
let sql: Sql
let store: RefusalStore
let metrics: Registry
let lines: string[]
const leftovers: (() => unknown)[] = []

beforeEach(async () => {
  database = await createTestDatabase()
  const pool = createPool({ ...database, max: 3, applicationName: 'test', onError: () => undefined })
  leftovers.push(
    () => database.drop(),
    () => pool.end(),
  )
  sql = sqlOfPool(pool)
  store = createRefusalStore(sql)
  await sql.query(`insert into projects (id, name, created_at) values ($1, 'p', now())`, [projectId])
})

afterEach(async () => {
  for (const dispose of leftovers.splice(0).reverse()) await dispose()
})

function openLog(over: Sql = sql): RefusalLog {
  metrics = new Registry()
  lines = []
  const destination = { write: (line: string) => void lines.push(line) }
  const log = createLog({ level: 'info', isPretty: false, destination })
  const refusals = createRefusalLog({ sql: over, bus: createMemoryBus(), log, metrics, restMs: 10, retryMs: 20 })
  leftovers.push(() => refusals.close())
  return refusals
}

async function newSource(): Promise<SourceId> {
  const id = newId('src')
  await sql.query(
    `insert into sources (id, project_id, name, token_hash, token_sealed, max_body_bytes, created_at)
     values ($1, $2, $1, $3, '', 1, now())`,
    [id, projectId, Buffer.from(id)],
  )
  return id
}

const refusal = (sourceId: SourceId, change: Partial<NewRefusal> = {}): NewRefusal => ({
  projectId,
  sourceId,
  reason: 'CREDENTIAL_WRONG',
  detail: 'the signature is another one',
  status: 401,
  method: 'POST',
  remoteAddress: '192.0.2.1',
  bodyBytes: 3,
  signature: 'sha256=ab…',
  signedContentDigest: 'c0ffee',
  clockSkewMs: -1_500,
  ...change,
})

const details = async (sourceId: SourceId) => (await store.latest(sourceId, 100)).map((one) => one.detail)

async function countOf(sourceId: SourceId): Promise<number> {
  return (await sql.query(`select from refusals where source_id = $1`, [sourceId])).length
}

async function metric(name: string): Promise<number> {
  const found = await metrics.getSingleMetric(name)?.get()
  return found?.values.reduce((sum, { value }) => sum + value, 0) ?? Number.NaN
}

test('what was turned away can be read as it was told, in order', async () => {
  const sourceId = await newSource()
  const log = openLog()
  const given = refusal(sourceId)
  log.add(given)
  log.add(refusal(sourceId, { detail: 'second', signature: null, signedContentDigest: null, clockSkewMs: null }))
  await until(() => countOf(sourceId), 2)
  const [first, second] = await store.latest(sourceId, 10)
  expect(first).toEqual({ ...given, id: expect.stringMatching(/^ref_/), refusedAt: expect.any(Date) })
  expect(second).toMatchObject({ detail: 'second', signature: null, signedContentDigest: null, clockSkewMs: null })
  expect(await metric('hookline_refusals_total')).toBe(2)
  expect(await metric('hookline_refusals_dropped_total')).toBe(0)
})

test('a flood at one source is counted, kept in part, and takes nobody else his room', async () => {
  const [flooded, quiet] = [await newSource(), await newSource()]
  const log = openLog()
  const startMs = Date.now()
  for (let i = 0; i < 20_000; i += 1) log.add(refusal(flooded))
  log.add(refusal(quiet))
  const seconds = 1 + Math.floor(Date.now() / 1000) - Math.floor(startMs / 1000)
  await until(() => countOf(quiet), 1)
  await log.close()
  expect(await countOf(flooded)).toBe(50 * seconds)
  expect(await metric('hookline_refusals_total')).toBe(20_001)
  expect(await metric('hookline_refusals_dropped_total')).toBe(20_000 - 50 * seconds)
})

test('of each source the latest 1,000 stay', async () => {
  const [full, other] = [await newSource(), await newSource()]
  await sql.query(
    `insert into refusals (id, project_id, source_id, refused_at, reason, detail, status, method, remote_address, body_bytes)
     select 'ref_0' || lpad(n::text, 4, '0'), $1, source_id, now(), 'RATE_LIMITED', '', 429, 'POST', '::1', 0
       from generate_series(1, 1500) as n, unnest($2::text[]) as source_id
      where n <= 900 or source_id = $3
         on conflict do nothing`,
    [projectId, [full], full],
  )
  const log = openLog()
  log.add(refusal(full, { detail: 'latest' }))
  log.add(refusal(other))
  await until(() => countOf(full), 1_000)
  expect((await store.latest(full, 1))[0]?.detail).toBe('latest')
  await until(() => countOf(other), 1)
  const [oldest] = await sql.query<{ id: string }>(`select min(id) as id from refusals where source_id = $1`, [full])
  expect(oldest?.id).toBe('ref_00502')
})

test.each([
  ['NUL', { detail: 'a\0b', method: 'G\0T', signature: '\0' }],
  ['half a surrogate pair', { detail: '\ud800', remoteAddress: '\udfff', signature: 'x\ud83d' }],
  ['endless text', { detail: '😀'.repeat(1_000_000), method: 'X'.repeat(100_000), signature: 'y'.repeat(100_000) }],
  ['a clock beyond all numbers', { clockSkewMs: Number.POSITIVE_INFINITY, bodyBytes: 1e300 }],
  ['a clock that is no number', { clockSkewMs: Number.NaN, bodyBytes: 0.5 }],
])('what strangers send does no harm: %s', async (_, change) => {
  const sourceId = await newSource()
  const log = openLog()
  log.add(refusal(sourceId, change))
  log.add(refusal(sourceId))
  await until(() => countOf(sourceId), 2)
  const [row] = await store.latest(sourceId, 10)
  expect(row?.detail.length).toBeLessThanOrEqual(1_000)
  expect(row?.detail.isWellFormed()).toBe(true)
})

test('a row that cannot be stored is lost alone', async () => {
  const sourceId = await newSource()
  const log = openLog()
  for (let i = 0; i < 40; i += 1) log.add(refusal(sourceId, i === 17 ? { status: 2 ** 40 } : { detail: `${i}` }))
  await until(() => countOf(sourceId), 39)
  expect(await details(sourceId)).not.toContain('17')
  expect(await metric('hookline_refusals_dropped_total')).toBe(1)
})

test('what is refused by a source that is gone is left out, and holds up nothing', async () => {
  const sourceId = await newSource()
  const log = openLog()
  log.add(refusal(newId('src')))
  log.add(refusal(sourceId))
  await until(() => countOf(sourceId), 1)
  expect(await sql.query(`select from refusals`)).toHaveLength(1)
})

test('while the database is away the latest wait, and one line says so', async () => {
  const sourceIds = await Promise.all(Array.from({ length: 120 }, newSource))
  let isAway = true
  const failing: Sql = {
    async query(...args) {
      if (isAway) throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' })
      return await sql.query(...args)
    },
  }
  const log = openLog(failing)
  for (const sourceId of sourceIds) for (let i = 0; i < 50; i += 1) log.add(refusal(sourceId, { detail: `${i}` }))
  await until(() => lines.length, 1)
  await until(() => metric('hookline_refusals_dropped_total'), 1_000)
  isAway = false
  const all = async () => (await sql.query(`select from refusals`)).length
  await until(all, 5_000)
  expect(await countOf(sourceIds[0] as SourceId)).toBe(0)
  expect(await details(sourceIds[119] as SourceId)).toEqual(Array.from({ length: 50 }, (_, i) => `${i}`))
  await until(() => lines.length, 2)
})

test('closing writes what waits, within two seconds', async () => {
  const sourceId = await newSource()
  const log = openLog()
  for (let i = 0; i < 30; i += 1) log.add(refusal(sourceId))
  await log.close()
  expect(await countOf(sourceId)).toBe(30)
  log.add(refusal(sourceId))
  const hanging = openLog({ query: () => new Promise(() => undefined) })
  hanging.add(refusal(sourceId))
  const startMs = performance.now()
  await hanging.close()
  expect(performance.now() - startMs).toBeLessThan(5_000)
})
