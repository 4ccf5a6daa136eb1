import { expect, test } from 'vitest'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { createTestDatabase } from '../support/database.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { createSource } from '../support/graphql-client.ts'
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

test('without Redis a message that one process takes reaches a subscriber of another', async () => {
  const two = await startTwo({})
  await two.post('one')
  await two.post('two')
  await until(two.texts, ['one', 'two'])
  await two.close()
})

test.skipIf(missing !== null)(
  `with Redis killed and started again the stream goes on, in order and without a loss${missing ? ` (${missing})` : ''}`,
  async () => {
    const redis = await startTestRedis()
    const two = await startTwo({ REDIS_URL: redis.url })
    const isHealthy = async () => {
      const metrics = await (await fetch(`${two.second.baseUrl}/metrics`)).text()
      return /^hookline_bus_healthy 1$/m.test(metrics)
    }
    await until(isHealthy, true)
    await two.post('before')
    await until(two.texts, ['before'])
    await redis.kill()
    await until(isHealthy, false)
    await two.post('without')
    await until(two.texts, ['before', 'without'])
    await redis.start()
    await until(isHealthy, true)
    await two.post('after')
    await until(two.texts, ['before', 'without', 'after'])
    expect(two.reader.connections()).toBe(1)
    await two.close()
    await redis.stop()
  },
)

test('a key that one process revokes is refused by another within a second, and its sockets close', async () => {
  const two = await startTwo({})
  await two.post('before')
  await until(two.texts, ['before'])
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
  await two.close()
})
