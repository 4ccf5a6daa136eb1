import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startEmbeddedPostgres } from '../../src/db/embedded/index.ts'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { createEndpoint, createSource } from '../support/graphql-client.ts'
import { startReceiver } from '../support/receiver.ts'
import { readStream } from '../support/stream.ts'
import { until } from '../support/until.ts'

test('while PostgreSQL is away senders are asked to repeat, and all recovers by itself when it is back', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'hookline-away-'))
  const postgres = await startEmbeddedPostgres({ dataDir })
  const gateway = await startGatewayProcess({
    DATABASE_URL: postgres.databaseUrl,
    MASTER_KEYS: generateMasterKey(),
    ALLOWED_NETWORKS: '127.0.0.0/8',
    LOG_LEVEL: 'silent',
  })
  const { baseUrl } = gateway
  const token = gateway.adminToken()
  const receiver = await startReceiver()
  const source = await createSource(baseUrl, token, { name: 'orders' })
  await createEndpoint(baseUrl, token, { url: receiver.url })
  const reader = readStream({ baseUrl, token, sourceId: source.id })
  await until(() => reader.events[0]?.__typename, 'CaughtUp')
  const post = (body: string) => fetch(source.ingressUrl, { method: 'POST', body })
  const readiness = async () => (await fetch(`${baseUrl}/readyz`)).status

  expect((await post('before')).status).toBe(202)
  await postgres.stop()
  const refused = await post('while away')
  expect(refused.status).toBe(503)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(await refused.json()).toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
  expect(await readiness()).toBe(503)
  expect((await fetch(`${baseUrl}/healthz`)).status).toBe(200)

  const again = await startEmbeddedPostgres({ dataDir })
  await until(readiness, 200)
  await until(async () => (await post('after')).status, 202)
  const texts = () => reader.messages.map(({ body }) => Buffer.from(body, 'base64').toString())
  await until(texts, ['before', 'after'])
  await until(() => receiver.accepted.map(({ body }) => body.toString()), ['before', 'after'])

  await reader.close()
  expect(await gateway.stop()).toBe(0)
  await receiver.close()
  await again.stop()
  await rm(dataDir, { recursive: true, force: true })
})
