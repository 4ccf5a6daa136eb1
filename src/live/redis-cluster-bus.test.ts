import { pino } from 'pino'
import { Registry } from 'prom-client'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { redisMissing } from '../../test/support/redis.ts'
import { startTestCluster, type TestCluster } from '../../test/support/redis-cluster.ts'
import type { Bus } from './bus.ts'
import { createRedisBus } from './redis-bus.ts'

const missing = await redisMissing()
const title = `the bus over a Redis Cluster${missing === null ? '' : ` (skipped: ${missing})`}`

// An election that finds no majority in time, on a machine with no time to spare, is held again some seconds later.
const patienceMs = 50_000

// In the order in which they stand: the last ones leave the Cluster changed.
describe.skipIf(missing !== null)(title, { timeout: 150_000 }, () => {
  let cluster: TestCluster
  const buses: Bus[] = []

  beforeAll(async () => {
    cluster = await startTestCluster()
  })
  afterEach(async () => {
    for (const bus of buses.splice(0)) await bus.close()
  })
  afterAll(() => cluster.stop())

  async function startBuses(url = cluster.url): Promise<{ here: Bus; there: Bus; warnings: string[] }> {
    const warnings: string[] = []
    const write = (line: string): void => {
      const { level, redis } = JSON.parse(line)
      if (level >= 40) warnings.push(redis)
    }
    const start = () => createRedisBus({ url, log: pino({}, { write }), metrics: new Registry() })
    const [here, there] = [start(), start()]
    buses.push(here, there)
    await healthy(here, there)
    return { here, there, warnings }
  }

  const healthy = (...of: Bus[]) => vi.waitUntil(() => of.every((bus) => bus.isHealthy()), patienceMs)

  /** A channel on each primary. */
  function channels(kind = 'source'): string[] {
    const names = Array.from({ length: 60 }, (_, number) => `${kind}:${number}`)
    return cluster.primaries.map((primary) => {
      const name = names.find((each) => cluster.primaryOf(`hookline:${each}`) === primary)
      if (name === undefined) throw new Error('no channel for a primary')
      return name
    })
  }

  function hear(bus: Bus, channel: string): string[] {
    const heard: string[] = []
    bus.subscribe(channel, (payload) => heard.push(payload))
    return heard
  }

  /** What was sent on each channel and reached the other side. */
  async function expectFlow(from: Bus, to: Bus): Promise<void> {
    const heard = channels().map((channel) => hear(to, channel))
    // Told to look: the subscription has taken effect.
    await vi.waitUntil(() => heard.every((each) => each.includes('')), patienceMs)
    for (const channel of channels()) from.publish(channel, '7')
    await vi.waitUntil(() => heard.every((each) => each.includes('7')), patienceMs)
  }

  test('channels are sharded: each is subscribed at its own server alone, and wake-ups take no other way', async () => {
    const { here, there } = await startBuses(cluster.primaries[1]?.url)
    await expectFlow(here, there)
    const subscribed = await Promise.all(
      cluster.primaries.map(async (primary) => await primary.call('pubsub', 'shardchannels', 'hookline:source:*')),
    )
    expect(subscribed).toEqual(channels().map((channel) => [`hookline:${channel}`]))
    const plain = await Promise.all(cluster.primaries.map((primary) => primary.call('pubsub', 'channels')))
    expect(plain).toEqual([[], [], []])
  })

  test('a channel whose slot goes to another server moves along, and its listeners look', async () => {
    const { here, there } = await startBuses()
    const [channel = ''] = channels('moving')
    const heard = hear(there, channel)
    await vi.waitUntil(() => heard.length > 0, patienceMs)
    heard.length = 0
    await cluster.moveSlot(`hookline:${channel}`, cluster.primaries[2] ?? cluster.replica)
    await vi.waitUntil(() => heard.includes(''), patienceMs)
    // Whoever published at the old server learns so by that: one wake-up may be lost.
    await vi.waitUntil(() => {
      here.publish(channel, '8')
      return heard.includes('8')
    }, patienceMs)
    await healthy(here, there)
  })

  test('while a primary hangs the channels of the others go on, until its replica takes over', async () => {
    const { here, there, warnings } = await startBuses()
    const [first = '', second = ''] = channels()
    const silent = hear(there, first)
    const heard = hear(there, second)
    await vi.waitUntil(() => silent.length > 0 && heard.length > 0, patienceMs)
    let recoveries = 0
    there.onRecovered(() => {
      recoveries += 1
    })
    const [hanging] = cluster.primaries
    hanging?.pause()
    here.publish(first, '1')
    here.publish(second, '1')
    await vi.waitUntil(() => heard.includes('1'), patienceMs)
    expect(silent).not.toContain('1')
    await vi.waitUntil(() => !here.isHealthy() && !there.isHealthy(), patienceMs)
    await healthy(here, there)
    expect(recoveries).toBe(1)
    expect(new Set(warnings)).toEqual(new Set([hanging?.url.replace('redis://', '')]))
    here.publish(first, '2')
    await vi.waitUntil(() => silent.includes('2'), patienceMs)
  })

  test('a process whose REDIS_URL names a dead server first starts by the others', async () => {
    await cluster.primaries[0]?.kill()
    const { here, there } = await startBuses()
    await expectFlow(here, there)
  })
})

test.skipIf(missing !== null)(
  'a bus starts before its Cluster does, and can be closed while none is there',
  async () => {
    const cluster = await startTestCluster()
    for (const node of [...cluster.primaries, cluster.replica]) await node.kill()
    const bus = createRedisBus({ url: cluster.url, log: pino({ level: 'silent' }), metrics: new Registry() })
    const other = createRedisBus({ url: cluster.url, log: pino({ level: 'silent' }), metrics: new Registry() })
    bus.publish('tasks', 'drain')
    await other.close()
    for (const node of cluster.primaries) await node.start()
    await vi.waitUntil(() => bus.isHealthy(), patienceMs)
    await bus.close()
    await cluster.stop()
  },
)
