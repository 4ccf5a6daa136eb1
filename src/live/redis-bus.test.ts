import { pino } from 'pino'
import { Registry } from 'prom-client'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { redisMissing, startTestRedis, type TestRedis } from '../../test/support/redis.ts'
import type { Bus } from './bus.ts'
import { createRedisBus } from './redis-bus.ts'

const missing = await redisMissing()
const title = `the bus over a Redis that fails${missing === null ? '' : ` (skipped: ${missing})`}`

describe.skipIf(missing !== null)(title, () => {
  let redis: TestRedis
  let warnings: string[]
  const buses: Bus[] = []
  const unhandled: unknown[] = []
  const noteUnhandled = (reason: unknown): void => {
    unhandled.push(reason)
  }

  beforeEach(async () => {
    process.on('unhandledRejection', noteUnhandled)
    warnings = []
    redis = await startTestRedis()
  })

  afterEach(async () => {
    for (const bus of buses.splice(0)) await bus.close()
    await redis.stop()
    process.off('unhandledRejection', noteUnhandled)
    expect(unhandled).toEqual([])
  })

  function startBus(metrics = new Registry()): Bus {
    const write = (line: string): void => {
      const { level, msg } = JSON.parse(line)
      if (level >= 40) warnings.push(msg)
    }
    const bus = createRedisBus({ url: redis.url, log: pino({}, { write }), metrics })
    buses.push(bus)
    return bus
  }

  async function healthy(...of: Bus[]): Promise<void> {
    await vi.waitUntil(() => of.every((bus) => bus.isHealthy()), 10_000)
  }

  /** Wake-ups may be lost, so one is sent until one arrives. */
  async function flows(from: Bus, to: Bus, channel: string): Promise<void> {
    let count = 0
    let last = ''
    const leave = to.subscribe(channel, (payload) => {
      if (payload !== '') last = payload
    })
    await vi.waitUntil(() => {
      count += 1
      from.publish(channel, String(count))
      return last !== ''
    }, 10_000)
    leave()
  }

  test('wake-ups reach the other processes', async () => {
    const [here, there] = [startBus(), startBus()]
    await healthy(here, there)
    await flows(here, there, 'source:a')
    await flows(there, here, 'source:a')
  })

  test('a process hears its own wake-ups once, not again from Redis', async () => {
    const [here, there] = [startBus(), startBus()]
    await healthy(here, there)
    const heard: string[] = []
    const heardThere: string[] = []
    here.subscribe('tasks', (payload) => heard.push(payload))
    there.subscribe('tasks', (payload) => heardThere.push(payload))
    await flows(there, here, 'tasks')
    await flows(here, there, 'tasks')
    here.publish('tasks', 'drain')
    await vi.waitUntil(() => heardThere.includes('drain'))
    // Whatever Redis would echo of it comes before what is sent after it.
    there.publish('tasks', 'end')
    await vi.waitUntil(() => heard.includes('end'))
    expect(heard.filter((payload) => payload === 'drain')).toEqual(['drain'])
  })

  test('a listener is told to look once its subscription has taken effect', async () => {
    const bus = startBus()
    await healthy(bus)
    const heard: string[] = []
    bus.subscribe('source:a', (payload) => heard.push(payload))
    await vi.waitUntil(() => heard.length > 0)
    expect(heard).toEqual([''])
  })

  test('after a kill and a restart of Redis everybody reads again and wake-ups flow again', async () => {
    const metrics = new Registry()
    const [here, there] = [startBus(), startBus(metrics)]
    await healthy(here, there)
    let recoveries = 0
    there.onRecovered(() => {
      recoveries += 1
    })
    const heard: string[] = []
    there.subscribe('source:before', (payload) => heard.push(payload))
    const cancelled = there.subscribe('source:cancelled', () => undefined)
    expect(await metrics.metrics()).toContain('hookline_bus_healthy 1')

    await redis.kill()
    await vi.waitUntil(() => !here.isHealthy() && !there.isHealthy())
    expect(await metrics.metrics()).toContain('hookline_bus_healthy 0')
    expect(recoveries).toBe(0)
    there.subscribe('source:during', (payload) => heard.push(payload))
    cancelled()
    for (let sequence = 0; sequence < 100; sequence += 1) here.publish('source:before', String(sequence))

    await redis.start()
    await healthy(here, there)
    expect(recoveries).toBe(1)
    heard.length = 0
    here.publish('source:before', '7')
    here.publish('source:during', '8')
    await vi.waitUntil(() => heard.length === 2)
    expect(heard).toEqual(['7', '8'])
    expect(warnings).toHaveLength(2)
  })

  test('a process hears its own wake-ups while Redis is away', async () => {
    const bus = startBus()
    await healthy(bus)
    await redis.kill()
    await vi.waitUntil(() => !bus.isHealthy())
    await flows(bus, bus, 'tasks')
  })

  test('a process starts without Redis, says once what to do, and finds it later', async () => {
    await redis.kill()
    const bus = startBus()
    bus.publish('tasks', 'drain')
    await vi.waitUntil(() => warnings.length > 0)
    expect(bus.isHealthy()).toBe(false)
    let recoveries = 0
    bus.onRecovered(() => {
      recoveries += 1
    })
    await redis.start()
    await healthy(bus)
    expect(recoveries).toBe(1)
    expect(warnings).toEqual([expect.stringContaining('REDIS_URL')])
  })

  test('a Redis that hangs without closing its connections is noticed, and used again when it goes on', async () => {
    const [here, there] = [startBus(), startBus()]
    await healthy(here, there)
    redis.pause()
    await vi.waitUntil(() => !here.isHealthy(), 10_000)
    redis.resume()
    await healthy(here, there)
    await flows(here, there, 'source:a')
  })

  test('a bus can be closed while Redis is away', async () => {
    const bus = startBus()
    await healthy(bus)
    await redis.kill()
    await vi.waitUntil(() => !bus.isHealthy())
    await bus.close()
  })
})
