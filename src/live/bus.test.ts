import { pino } from 'pino'
import { Registry } from 'prom-client'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { redisMissing, startTestRedis } from '../../test/support/redis.ts'
import { startTestCluster } from '../../test/support/redis-cluster.ts'
import type { Bus } from './bus.ts'
import { createMemoryBus } from './memory-bus.ts'
import { createRedisBus } from './redis-bus.ts'

interface Driver {
  readonly name: string
  readonly missing: string | null
  /** A healthy bus and what disposes of it. */
  start(): Promise<{ bus: Bus; stop(): Promise<void> }>
}

const silent = pino({ level: 'silent' })

let cluster: ReturnType<typeof startTestCluster> | null = null
afterAll(async () => await (await cluster)?.stop())

const drivers: Driver[] = [
  {
    name: 'memory',
    missing: null,
    async start() {
      const bus = createMemoryBus({ log: silent })
      return { bus, stop: () => bus.close() }
    },
  },
  {
    name: 'Redis',
    missing: await redisMissing(),
    async start() {
      const redis = await startTestRedis()
      const bus = createRedisBus({ url: redis.url, log: silent, metrics: new Registry() })
      await vi.waitUntil(() => bus.isHealthy(), 5_000)
      return { bus, stop: () => bus.close().then(redis.stop) }
    },
  },
  {
    name: 'Redis Cluster',
    missing: await redisMissing(),
    async start() {
      cluster ??= startTestCluster()
      const bus = createRedisBus({ url: (await cluster).url, log: silent, metrics: new Registry() })
      await vi.waitUntil(() => bus.isHealthy(), 5_000)
      return { bus, stop: () => bus.close() }
    },
  },
]

describe.each(drivers)('the $name bus', ({ missing, start }) => {
  const leftovers: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const stop of leftovers.splice(0)) await stop()
  })

  async function startBus(): Promise<Bus> {
    const { bus, stop } = await start()
    leftovers.push(stop)
    return bus
  }

  /** What comes on a channel, without the empty 'look' that a driver may add. */
  function hear(bus: Bus, channel: string): string[] {
    const heard: string[] = []
    bus.subscribe(channel, (payload) => {
      if (payload !== '') heard.push(payload)
    })
    return heard
  }

  const promise = missing === null ? test : test.skip
  const title = (text: string): string => (missing === null ? text : `${text} (skipped: ${missing})`)

  promise(title('what is published reaches every listener of the channel and no other'), async () => {
    const bus = await startBus()
    const first = hear(bus, 'source:a')
    const second = hear(bus, 'source:a')
    const other = hear(bus, 'source:b')
    bus.publish('source:a', '1')
    bus.publish('source:b', '2')
    await vi.waitUntil(() => first.length > 0 && second.length > 0 && other.length > 0)
    expect([first, second, other]).toEqual([['1'], ['1'], ['2']])
  })

  promise(title('a listener is called in a later tick, never within publish'), async () => {
    const bus = await startBus()
    const heard = hear(bus, 'source:a')
    bus.publish('source:a', '1')
    expect(heard).toEqual([])
    await vi.waitUntil(() => heard.length > 0)
  })

  promise(title('of the numbers published within a tick the greatest arrives, once'), async () => {
    const bus = await startBus()
    const heard = hear(bus, 'source:a')
    for (const sequence of ['9', '1000', '10']) bus.publish('source:a', sequence)
    await vi.waitUntil(() => heard.length > 0)
    bus.publish('source:a', '1001')
    await vi.waitUntil(() => heard.includes('1001'))
    expect(heard).toEqual(['1000', '1001'])
  })

  promise(title('different texts published within a tick all arrive, equal ones once'), async () => {
    const bus = await startBus()
    const heard = hear(bus, 'tasks')
    for (const task of ['drain', 'fan-out', 'drain']) bus.publish('tasks', task)
    await vi.waitUntil(() => heard.length > 1)
    bus.publish('tasks', 'end')
    await vi.waitUntil(() => heard.includes('end'))
    expect(heard).toEqual(['drain', 'fan-out', 'end'])
  })

  promise(title('who has unsubscribed hears nothing more, while the others do'), async () => {
    const bus = await startBus()
    const left: string[] = []
    const leave = bus.subscribe('tasks', (payload) => left.push(payload))
    const stayed = hear(bus, 'tasks')
    bus.publish('tasks', 'first')
    await vi.waitUntil(() => stayed.includes('first'))
    leave()
    leave()
    left.length = 0
    bus.publish('tasks', 'second')
    await vi.waitUntil(() => stayed.includes('second'))
    expect(left).toEqual([])
  })

  promise(title('a channel can be left and listened to again'), async () => {
    const bus = await startBus()
    bus.subscribe('tasks', () => undefined)()
    const heard = hear(bus, 'tasks')
    bus.publish('tasks', 'drain')
    await vi.waitUntil(() => heard.includes('drain'))
  })

  promise(title('a listener that throws keeps nobody else from hearing'), async () => {
    const bus = await startBus()
    bus.subscribe('tasks', () => {
      throw new Error('a bug')
    })
    const heard = hear(bus, 'tasks')
    bus.publish('tasks', 'drain')
    await vi.waitUntil(() => heard.includes('drain'))
  })

  promise(title('payloads arrive as they were, with spaces and beyond ASCII'), async () => {
    const bus = await startBus()
    const heard = hear(bus, 'tasks')
    const payloads = [' a  b ', 'Größe 😀', 'x'.repeat(10_000)]
    for (const payload of payloads) bus.publish('tasks', payload)
    await vi.waitUntil(() => heard.length >= payloads.length)
    expect(heard).toEqual(payloads)
  })

  promise(title('a closed bus can be published to, and calls nobody'), async () => {
    const bus = await startBus()
    const heard = hear(bus, 'tasks')
    await bus.close()
    bus.publish('tasks', 'late')
    await new Promise((resolve) => setImmediate(resolve))
    expect(heard).toEqual([])
  })
})
