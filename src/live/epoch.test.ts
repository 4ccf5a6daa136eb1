import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts'
import { createPool } from '../db/pool.ts'
import { type Sql, sqlOfPool } from '../db/sql.ts'
import { createEpochCache, createEpochs, type Epochs } from './epoch.ts'
import { createMemoryBus } from './memory-bus.ts'

const log = pino({ level: 'silent' })
const never = 3_600_000

describe('the configuration epoch', () => {
  let database: TestDatabase
  let sql: Sql
  const leftovers: (() => unknown)[] = []

  beforeEach(async () => {
    database = await createTestDatabase()
    const { databaseUrl } = database
    const pool = createPool({ databaseUrl, max: 2, applicationName: 'test', onError: () => undefined })
    leftovers.push(() => pool.end())
    sql = sqlOfPool(pool)
  })

  afterEach(async () => {
    for (const dispose of leftovers.splice(0).reverse()) await dispose()
    await database.drop()
  })

  function watch(bus = createMemoryBus(), pollMs = never, from = sql): { epochs: Epochs; changes: () => number } {
    const epochs = createEpochs({ sql: from, bus, log, pollMs })
    let count = 0
    epochs.onChange(() => {
      count += 1
    })
    leftovers.push(() => epochs.close())
    return { epochs, changes: () => count }
  }

  async function bump(): Promise<void> {
    await sql.query(`update configuration_epoch set epoch = epoch + 1`)
  }

  test('a change made here is heard before changed() returns, and by the other processes over the bus', async () => {
    const bus = createMemoryBus()
    const [here, there] = [watch(bus), watch(bus)]
    await vi.waitUntil(() => here.epochs.current() === 1 && there.epochs.current() === 1)
    const before = here.changes()
    await bump()
    here.epochs.changed()
    expect(here.changes()).toBe(before + 1)
    await vi.waitUntil(() => here.epochs.current() === 2 && there.epochs.current() === 2)
  })

  test('a change whose wake-up is lost is found by polling', async () => {
    const { epochs, changes } = watch(createMemoryBus(), 20)
    await vi.waitUntil(() => epochs.current() === 1)
    const before = changes()
    await bump()
    await vi.waitUntil(() => epochs.current() === 2)
    expect(changes()).toBe(before + 1)
  })

  test('an epoch that a restored backup set back counts as a change', async () => {
    const { epochs, changes } = watch(createMemoryBus(), 20)
    await vi.waitUntil(() => epochs.current() === 1)
    const before = changes()
    await sql.query(`update configuration_epoch set epoch = 0`)
    await vi.waitUntil(() => changes() === before + 1)
    expect(epochs.current()).toBe(0)
  })

  test('while the database is away nothing fails, and the change is heard afterwards', async () => {
    let isAway = true
    const flaky: Sql = { query: (...args) => (isAway ? Promise.reject(new Error('away')) : sql.query(...args)) }
    const { epochs, changes } = watch(createMemoryBus(), 20, flaky)
    epochs.changed()
    expect(changes()).toBe(1)
    await bump()
    isAway = false
    await vi.waitUntil(() => epochs.current() === 2)
  })

  test('after close nobody is told anything', async () => {
    const { epochs, changes } = watch(createMemoryBus(), 20)
    await vi.waitUntil(() => epochs.current() === 1)
    const other = watch(createMemoryBus(), 20)
    const before = changes()
    epochs.close()
    await bump()
    await vi.waitUntil(() => other.epochs.current() === 2)
    expect(changes()).toBe(before)
  })
})

describe('a cache of configuration', () => {
  function createCache(load: (key: string) => Promise<string>, max = 10) {
    const listeners: (() => void)[] = []
    const epochs = {
      onChange(listener: () => void) {
        listeners.push(listener)
        return () => undefined
      },
    }
    const cache = createEpochCache({ epochs, max, load })
    return { cache, change: () => listeners.forEach((listener) => void listener()) }
  }

  test('a value is loaded once until the next change', async () => {
    let version = 1
    const { cache, change } = createCache(async (key) => `${key}${version}`)
    expect(await cache.get('a')).toBe('a1')
    version = 2
    expect(await cache.get('a')).toBe('a1')
    change()
    expect(await cache.get('a')).toBe('a2')
  })

  test('loads of one key at the same time are shared', async () => {
    const keys: string[] = []
    const { cache } = createCache(async (key) => {
      keys.push(key)
      return key
    })
    await Promise.all([cache.get('a'), cache.get('a'), cache.get('b')])
    expect(keys).toEqual(['a', 'b'])
  })

  test('a load that began before a change is not kept', async () => {
    const answers = [Promise.withResolvers<string>(), Promise.withResolvers<string>()]
    const left = [...answers]
    const { cache, change } = createCache(() => left.shift()?.promise ?? Promise.reject(new Error('one load too many')))
    const early = cache.get('a')
    change()
    const late = cache.get('a')
    answers[1]?.resolve('new')
    expect(await late).toBe('new')
    answers[0]?.resolve('old')
    expect(await early).toBe('old')
    expect(await cache.get('a')).toBe('new')
  })

  test('a load that failed is told to those who waited, and tried again by the next', async () => {
    let isAway = true
    const { cache } = createCache(async (key) => {
      if (isAway) throw new Error('away')
      return key
    })
    await expect(Promise.all([cache.get('a'), cache.get('a')])).rejects.toThrow('away')
    isAway = false
    expect(await cache.get('a')).toBe('a')
  })

  test('it never holds more than its bound, and keeps what is in use', async () => {
    const loads: string[] = []
    const { cache } = createCache(async (key) => {
      loads.push(key)
      return key
    }, 2)
    for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) await cache.get(key)
    expect(loads).toEqual(['a', 'b', 'c', 'b'])
  })
})
