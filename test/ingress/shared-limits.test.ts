import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { createSource } from '../support/graphql-client.ts'
import { redisMissing, startTestRedis, type TestRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { send } from './ingress-gateway.ts'

const hour = 3_600_000

describe.skipIf((await redisMissing()) !== null)('two processes with one Redis', () => {
  let database: TestDatabase
  let redis: TestRedis
  let gateways: GatewayProcess[]

  beforeAll(async () => {
    database = await createTestDatabase()
    redis = await startTestRedis()
    const environment = {
      DATABASE_URL: database.databaseUrl,
      MASTER_KEYS: generateMasterKey(),
      REDIS_URL: redis.url,
    }
    gateways = [await startGatewayProcess(environment), await startGatewayProcess(environment)]
    for (const gateway of gateways) await until(() => countsTogether(gateway), true)
  })

  afterAll(async () => {
    for (const gateway of gateways) await gateway.stop()
    await redis.stop()
    await database.drop()
  })

  async function countsTogether({ baseUrl }: GatewayProcess): Promise<boolean> {
    const metrics = await fetch(`${baseUrl}/metrics`)
    return (await metrics.text()).includes('\nhookline_rate_limits_shared 1')
  }

  /** The same source's address at each process. */
  async function newSource(name: string, count: number): Promise<string[]> {
    const [first] = gateways
    if (first === undefined) throw new Error('no gateway')
    const rateLimit = { count, windowMs: hour }
    const { ingressUrl } = await createSource(first.baseUrl, first.adminToken(), { name, rateLimit })
    return gateways.map(({ baseUrl }) => `${baseUrl}${new URL(ingressUrl).pathname}`)
  }

  const statusesOf = async (url: string, requests: number) => {
    const answers = await Promise.all(Array.from({ length: requests }, () => send(url, { body: '{}' })))
    return answers.map(({ status }) => status)
  }

  test('share a limit', async () => {
    const urls = await newSource('shared', 10)
    const statuses = (await Promise.all(urls.map((url) => statusesOf(url, 20)))).flat()
    expect(statuses.filter((status) => status === 202)).toHaveLength(10)
    expect(statuses.filter((status) => status === 429)).toHaveLength(30)
  })

  test('count for themselves while it hangs, at once, and together again afterwards', async () => {
    const [url = ''] = await newSource('hanging', 1_000)
    expect(await statusesOf(url, 1)).toEqual([202])
    redis.pause()
    const startedMs = performance.now()
    for (let round = 0; round < 10; round += 1) expect(new Set(await statusesOf(url, 10))).toEqual(new Set([202]))
    expect(performance.now() - startedMs).toBeLessThan(2_000)
    redis.resume()
    for (const gateway of gateways) await until(() => countsTogether(gateway), true)
    const urls = await newSource('shared-again', 5)
    const statuses = (await Promise.all(urls.map((each) => statusesOf(each, 10)))).flat()
    expect(statuses.filter((status) => status === 202)).toHaveLength(5)
  })
})
