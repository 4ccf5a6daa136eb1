import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { createTestDatabase } from '../support/database.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { createSource, graphql } from '../support/graphql-client.ts'
import { until } from '../support/until.ts'
import { send } from './ingress-gateway.ts'

/** Where the configuration is polled every 500 ms, and it takes a while to ask. */
const soon = { timeoutMs: 1_500, everyMs: 20 }

test('without Redis a second process follows secrets, addresses and pauses of a source within a second', async () => {
  const database = await createTestDatabase()
  const shared = { DATABASE_URL: database.databaseUrl, MASTER_KEYS: generateMasterKey() }
  const first = await startGatewayProcess(shared)
  const second = await startGatewayProcess(shared)
  const token = first.adminToken()
  const change = (mutation: string) => graphql<Record<string, never>>(first.baseUrl, token, `mutation { ${mutation} }`)
  const verification = { preset: { preset: 'GITHUB', secret: 'old secret' } }
  const { id, ingressUrl } = await createSource(first.baseUrl, token, { name: 'followed', verification })
  const statusOf = async (secret: string) => {
    const signature = `sha256=${createHmac('sha256', secret).update('{}').digest('hex')}`
    const url = second.baseUrl + new URL(ingressUrl).pathname
    return (await send(url, { body: '{}', headers: { 'x-hub-signature-256': signature } })).status
  }
  expect([await statusOf('old secret'), await statusOf('new secret')]).toEqual([202, 401])

  await change(`rotateSecret(input: { ownerId: "${id}", secret: "new secret", overlapMs: 60000 }) { __typename }`)
  await until(() => statusOf('new secret'), 202, soon)
  expect(await statusOf('old secret')).toBe(202)

  await change(`rotateSecret(input: { ownerId: "${id}", secret: "newest secret", overlapMs: 0 }) { __typename }`)
  await until(() => statusOf('new secret'), 401, soon)
  expect([await statusOf('old secret'), await statusOf('newest secret')]).toEqual([401, 202])

  await change(`updateSource(input: { id: "${id}", isPaused: true }) { __typename }`)
  await until(() => statusOf('newest secret'), 404, soon)
  await change(`updateSource(input: { id: "${id}", isPaused: false }) { __typename }`)
  await until(() => statusOf('newest secret'), 202, soon)

  await change(`rotateSourceToken(input: { id: "${id}", overlapMs: 0 }) { __typename }`)
  await until(() => statusOf('newest secret'), 404, soon)
  expect([await first.stop(), await second.stop()]).toEqual([0, 0])
  await database.drop()
})
