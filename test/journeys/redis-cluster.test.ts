import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { createSource } from '../support/graphql-client.ts'
import { startLoad } from '../support/load.ts'
import { redisMissing } from '../support/redis.ts'
import { startTestCluster, type TestCluster } from '../support/redis-cluster.ts'
import { readStream, type StreamReader } from '../support/stream.ts'
import { until } from '../support/until.ts'

const missing = await redisMissing()
const title = `two processes with a Redis Cluster${missing === null ? '' : ` (skipped: ${missing})`}`

describe.skipIf(missing !== null)(title, () => {
  let database: TestDatabase
  let cluster: TestCluster
  let gateways: [GatewayProcess, GatewayProcess]

  beforeAll(async () => {
    ;[database, cluster] = await Promise.all([createTestDatabase(), startTestCluster()])
    const environment = {
      DATABASE_URL: database.databaseUrl,
      MASTER_KEYS: generateMasterKey(),
      REDIS_URL: cluster.url,
    }
    const first = await startGatewayProcess(environment)
    gateways = [first, await startGatewayProcess(environment)]
    for (const gateway of gateways) await until(() => metric(gateway, 'hookline_bus_healthy'), 1)
  })

  afterAll(async () => {
    for (const gateway of gateways) await gateway.stop()
    await cluster.stop()
    await database.drop()
  })

  async function metric({ baseUrl }: GatewayProcess, name: string): Promise<number> {
    const text = await (await fetch(`${baseUrl}/metrics`)).text()
    return Number(new RegExp(`^${name} (.+)$`, 'm').exec(text)?.[1])
  }

  async function post(url: string): Promise<number> {
    return (await fetch(url, { method: 'POST', body: '{}' })).status
  }

  /** A source, its address at each process, and a reader of it at the second. */
  async function newSource(name: string, options: { rateLimit?: { count: number; windowMs: number } } = {}) {
    const token = gateways[0].adminToken()
    const source = await createSource(gateways[0].baseUrl, token, { name, ...options })
    const urls = gateways.map(({ baseUrl }) => `${baseUrl}${new URL(source.ingressUrl).pathname}`)
    const read = async (): Promise<StreamReader> => {
      const reader = readStream({ baseUrl: gateways[1].baseUrl, token, sourceId: source.id })
      await until(() => reader.events[0]?.__typename, 'CaughtUp')
      return reader
    }
    return { urls, read }
  }

  test('a message that one takes is streamed by the other through the Cluster', async () => {
    const { urls, read } = await newSource('orders')
    const reader = await read()
    const wakeUps = await metric(gateways[1], 'hookline_feed_wake_ups_total')
    for (let sequence = 1; sequence <= 5; sequence += 1) {
      expect(await post(urls[0] ?? '')).toBe(202)
      // Far below the 5 s after which it polls.
      await until(() => reader.messages.length, sequence, { timeoutMs: 2_000 })
    }
    expect(await metric(gateways[1], 'hookline_feed_wake_ups_total')).toBeGreaterThanOrEqual(wakeUps + 5)
    await reader.close()
  })

  test('share a rate limit, over keys of all servers', async () => {
    await cluster.untilServing()
    for (const gateway of gateways) await until(() => metric(gateway, 'hookline_rate_limits_shared'), 1)
    for (const name of ['first', 'second', 'third', 'fourth']) {
      const { urls } = await newSource(name, { rateLimit: { count: 10, windowMs: 3_600_000 } })
      const statuses = await Promise.all(Array.from({ length: 30 }, (_, number) => post(urls[number % 2] ?? '')))
      expect(statuses.filter((status) => status === 202)).toHaveLength(10)
    }
  })

  test('of a server that is killed and started again under load nothing is lost, and streams poll meanwhile', async () => {
    const { urls, read } = await newSource('load')
    const reader = await read()
    const [, dying] = cluster.primaries
    let turn = 0
    const load = startLoad(() => urls[turn++ % 2] ?? '', 4)
    const untilMore = async (count: number) => {
      const goal = load.acknowledged.size + count
      await until(() => load.acknowledged.size >= goal, true)
    }
    await untilMore(50)
    await dying?.kill()
    for (const gateway of gateways) await until(() => metric(gateway, 'hookline_bus_healthy'), 0)
    const polls = await metric(gateways[1], 'hookline_feed_polls_total')
    await until(async () => (await metric(gateways[1], 'hookline_feed_polls_total')) >= polls + 2, true, {
      timeoutMs: 4_000,
    })
    await untilMore(50)
    await dying?.start()
    for (const gateway of gateways) await until(() => metric(gateway, 'hookline_bus_healthy'), 1)
    await untilMore(50)
    await load.stop()
    await until(() => load.acknowledged.size - reader.messages.length, 0)
    expect(load.failedCount).toBe(0)
    expect(new Set(reader.messages.map(({ id }) => id))).toEqual(new Set(load.acknowledged.keys()))
    expect(reader.messages.map(({ sequence }) => sequence)).toEqual(reader.messages.map((_, index) => index + 1))
    expect(reader.connections()).toBe(1)
    await reader.close()
  })
})
