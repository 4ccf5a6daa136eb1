import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Configuration, doneValue, startConfiguration } from '../../test/support/configuration.ts'
import { until } from '../../test/support/until.ts'
import type { Reach } from '../auth/index.ts'
import type { Sql } from '../db/sql.ts'
import { newId, type SourceId } from '../kernel/ids.ts'
import { createLog } from '../kernel/log.ts'
import { createSource, deleteSource } from '../sources/index.ts'
import { createLimitWatch, type LimitWatchDeps } from './limit-watch.ts'

const log = createLog({ level: 'silent', isPretty: false })
const rate = 'RATE_LIMITED'
const body = 'BODY_TOO_LARGE'

let configuration: Configuration
let reach: Reach
let sourceId: SourceId
let statements: number

beforeAll(async () => {
  configuration = await startConfiguration()
  reach = await configuration.newProject()
})
afterAll(async () => {
  await configuration.close()
})

beforeEach(async () => {
  statements = 0
  const rateLimit = { count: 5, windowMs: 60_000 }
  const name = newId('src').replace('_', '-')
  sourceId = doneValue(await createSource(configuration, reach, { name, rateLimit, maxBodyBytes: 10 })).id
})

/** What a process has; each counts the statements that it runs. */
function newWatch(options: Partial<LimitWatchDeps> = {}) {
  const sql: Sql = {
    query(...statement) {
      statements += 1
      return configuration.sql.query(...statement)
    },
  }
  return createLimitWatch({ sql, log, onWritten: () => undefined, restMs: 5, ...options })
}

async function told(): Promise<Record<string, unknown>[]> {
  const rows = await configuration.sql.query<{ data: string }>(
    `select data from system_events where type = 'hookline.source.limit_reached' and subject = $1 order by id`,
    [sourceId],
  )
  return rows.map(({ data }) => JSON.parse(data))
}

const limitsTold = async () => (await told()).map(({ limit }) => limit)

test('a flood over two processes is told of once for each limit, and costs a process a statement for each', async () => {
  const watches = [newWatch(), newWatch()]
  for (let count = 0; count < 100_000; count += 1) {
    for (const watch of watches) watch.add({ sourceId, reason: count % 2 === 0 ? rate : body })
  }
  await until(async () => (await limitsTold()).sort(), ['BODY_SIZE', 'RATE'])
  for (const watch of watches) watch.add({ sourceId, reason: rate })
  for (const watch of watches) await watch.close()
  expect((await limitsTold()).sort()).toEqual(['BODY_SIZE', 'RATE'])
  expect(statements).toBeLessThanOrEqual(4)
  expect(await told()).toContainEqual({
    sourceId,
    sourceName: expect.any(String),
    limit: 'RATE',
    rateLimit: { count: 5, windowMs: 60_000 },
    projectRateLimit: null,
    maxBodyBytes: 10,
  })
})

test('a process that starts anew tells again only when the time since the last is over', async () => {
  const first = newWatch()
  first.add({ sourceId, reason: rate })
  await first.close()
  const second = newWatch()
  second.add({ sourceId, reason: rate })
  await second.close()
  expect(await limitsTold()).toEqual(['RATE'])
  await configuration.sql.query(`update limit_notices set told_at = told_at - interval '11 minutes'`)
  const third = newWatch()
  third.add({ sourceId, reason: rate })
  await third.close()
  expect(await limitsTold()).toEqual(['RATE', 'RATE'])
})

test('a limit that goes on being reached is told of again after the distance', async () => {
  const watch = newWatch({ distanceMs: 50 })
  await until(async () => {
    watch.add({ sourceId, reason: rate })
    return (await limitsTold()).length >= 3
  }, true)
  await watch.close()
})

test('other reasons, and sources that are gone, tell nothing and hinder nobody', async () => {
  const gone = sourceId
  doneValue(await deleteSource(configuration, reach, { id: gone }))
  sourceId = doneValue(await createSource(configuration, reach, { name: 'stays' })).id
  const watch = newWatch()
  watch.add({ sourceId, reason: 'CREDENTIAL_WRONG' })
  for (const id of [gone, newId('src'), sourceId]) watch.add({ sourceId: id, reason: body })
  await watch.close()
  expect(await limitsTold()).toEqual(['BODY_SIZE'])
})

test('while nothing can be written it is tried now and then, and told once it can', async () => {
  let isAway = true
  const sql: Sql = {
    query(...statement) {
      statements += 1
      return isAway ? configuration.sql.query('select 1 / 0') : configuration.sql.query(...statement)
    },
  }
  const watch = newWatch({ sql, retryMs: 100 })
  for (let count = 0; count < 1_000; count += 1) watch.add({ sourceId, reason: rate })
  await until(() => statements, 1)
  for (let count = 0; count < 1_000; count += 1) watch.add({ sourceId, reason: rate })
  isAway = false
  await until(async () => await limitsTold(), ['RATE'])
  await watch.close()
  expect(statements).toBe(2)
})
