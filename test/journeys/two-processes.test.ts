import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { createTestDatabase } from '../support/database.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { createSource, graphql } from '../support/graphql-client.ts'
import { startLoad } from '../support/load.ts'
import { redisMissing, startTestRedis } from '../support/redis.ts'
import { readStream } from '../support/stream.ts'
import { until } from '../support/until.ts'

const missing = await redisMissing()

/** Two processes on one database, a source, and a reader of it on the second; messages go to the first. */
async function startTwo(environment: Record<string, string>) {
  const database = await createTestDatabase()
  const shared = { DATABASE_URL: database.databaseUrl, MASTER_KEYS: generateMasterKey(), ...environment }
  const first = await startGatewayProcess(shared)
  const second = await startGatewayProcess(shared)
  const token = first.adminToken()
  const source = await createSource(first.baseUrl, token, { name: 'orders' })
  const reader = readStream({ baseUrl: second.baseUrl, token, sourceId: source.id })
  await until(() => reader.events[0]?.__typename, 'CaughtUp')
  return {
    reader,
    second,
    ingressUrl: source.ingressUrl,
    token,
    async post(body: string) {
      expect((await fetch(source.ingressUrl, { method: 'POST', body })).status).toBe(202)
    },
    texts: () => reader.messages.map(({ body }) => Buffer.from(body, 'base64').toString()),
    async close() {
      await reader.close()
      expect(await first.stop()).toBe(0)
      expect(await second.stop()).toBe(0)
      await database.drop()
    },
  }
}

test.skipIf(missing !== null)(
  `Redis killed and started again under load loses nothing: streams poll meanwhile, and metrics tell${missing ? ` (${missing})` : ''}`,
  async () => {
    const redis = await startTestRedis()
    const two = await startTwo({ REDIS_URL: redis.url })
    const metric = async (name: string) => {
      const metrics = await (await fetch(`${two.second.baseUrl}/metrics`)).text()
      return Number(new RegExp(`^${name} (.+)$`, 'm').exec(metrics)?.[1])
    }
    await until(() => metric('hookline_bus_healthy'), 1)
    const load = startLoad(() => two.ingressUrl, 4)
    const untilMore = async (count: number) => {
      const goal = load.acknowledged.size + count
      await until(() => load.acknowledged.size >= goal, true)
    }
    await untilMore(50)
    await redis.kill()
    await until(() => metric('hookline_bus_healthy'), 0)
    const polls = await metric('hookline_feed_polls_total')
    const streamed = two.reader.messages.length
    await untilMore(50)
    // Every second instead of every five.
    await until(async () => (await metric('hookline_feed_polls_total')) >= polls + 2, true, { timeoutMs: 4_000 })
    expect(two.reader.messages.length).toBeGreaterThan(streamed)
    await redis.start()
    await until(() => metric('hookline_bus_healthy'), 1)
    await untilMore(50)
    await load.stop()
    await until(() => two.reader.messages.length, load.acknowledged.size)
    expect(load.failedCount).toBe(0)
    expect(new Set(two.reader.messages.map(({ id }) => id))).toEqual(new Set(load.acknowledged.keys()))
    expect(two.reader.messages.map(({ sequence }) => sequence)).toEqual([...load.acknowledged].map((_, at) => at + 1))
    expect(two.reader.connections()).toBe(1)
    await two.close()
    await redis.stop()
  },
)

describe('two processes without Redis', () => {
  let two: Awaited<ReturnType<typeof startTwo>>
  beforeAll(async () => {
    two = await startTwo({})
  })
  afterAll(() => two.close())

  test('a message that one process takes reaches a subscriber of another', async () => {
    await two.post('one')
    await two.post('two')
    await until(two.texts, ['one', 'two'])
  })

  test('a ticket for a stream is taken once, by whichever process', async () => {
    const { sources } = await graphql<{ sources: { nodes: { id: string }[] } }>(
      two.second.baseUrl,
      two.token,
      '{ sources { nodes { id } } }',
    )
    const { createStreamTicket } = await graphql<{ createStreamTicket: { url: string } }>(
      two.second.baseUrl,
      two.token,
      `mutation ($sourceIds: [ID!]!) {
        createStreamTicket(input: { sourceIds: $sourceIds }) { ... on CreateStreamTicketPayload { url } }
      }`,
      { sourceIds: sources.nodes.map(({ id }) => id) },
    )
    const { pathname, search } = new URL(createStreamTicket.url)
    const origins = [two.second.baseUrl, new URL(two.ingressUrl).origin]
    const controller = new AbortController()
    const answers = await Promise.all(
      [...origins, ...origins].map((origin) => fetch(origin + pathname + search, { signal: controller.signal })),
    )
    controller.abort()
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401])
  })

  test('a key that one process revokes is refused by another within a second, and its sockets close', async () => {
    const ask = (query: string) =>
      fetch(`${two.second.baseUrl}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${two.token}` },
        body: JSON.stringify({ query }),
      })
    const answer = (await (await ask('{ viewer { id } }')).json()) as { data: { viewer: { id: string } } }
    await ask(`mutation { revokeApiKey(input: { id: "${answer.data.viewer.id}" }) { __typename } }`)
    await until(async () => (await ask('{ viewer { id } }')).status, 401, { timeoutMs: 1_500 })
    await until(() => two.reader.connections() > 1, true, { timeoutMs: 1_500 })
  })
})
