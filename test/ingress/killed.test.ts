import { expect, test } from 'vitest'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { createTestDatabase } from '../support/database.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { createSource, graphql } from '../support/graphql-client.ts'
import { until } from '../support/until.ts'
import { type Answer, send } from './ingress-gateway.ts'

const senders = 50

test('a process killed under load: each repetition of an Idempotency-Key gets the first answer, or is stored once', async () => {
  const database = await createTestDatabase()
  const environment = { DATABASE_URL: database.databaseUrl, MASTER_KEYS: generateMasterKey() }
  const first = await startGatewayProcess(environment)
  const token = first.adminToken()
  const { id, ingressUrl } = await createSource(first.baseUrl, token, { name: 'orders' })
  const sendKey = (key: string, url = ingressUrl): Promise<Answer | null> =>
    send(url, { body: `{"of":"${key}"}`, headers: { 'idempotency-key': key } }).catch(() => null)

  // Each sender sends one key after the other until nobody answers: with the death some are always under way.
  const before = new Map<string, Answer | null>()
  const sending = Array.from({ length: senders }, async (_, sender) => {
    for (let count = 0; before.get(`${sender}-${count - 1}`) !== null; count += 1) {
      const key = `${sender}-${count}`
      before.set(key, await sendKey(key))
    }
  })
  await until(() => before.size >= 500, true, { everyMs: 1 })
  await first.stop('SIGKILL')
  await Promise.all(sending)
  const keys = [...before.keys()]

  const second = await startGatewayProcess({ ...environment, PORT: new URL(first.baseUrl).port })
  const after = new Map<string, Answer | null>()
  for (let at = 0; at < keys.length; at += senders) {
    await Promise.all(keys.slice(at, at + senders).map(async (key) => after.set(key, await sendKey(key))))
  }
  expect(new Set([...after.values()].map((answer) => answer?.status))).toEqual(new Set([202]))
  for (const [key, answer] of before) {
    if (answer !== null) expect([answer.status, after.get(key)?.text]).toEqual([202, answer.text])
  }
  // Each key has one message, and nothing else was stored: the last sequence is the number of keys.
  expect(new Set([...after.values()].map((answer) => answer?.body.id)).size).toBe(keys.length)
  const query = 'query ($id: ID!) { source(by: { id: $id }) { lastSequence } }'
  const { source } = await graphql<{ source: { lastSequence: number } }>(second.baseUrl, token, query, { id })
  expect(Number(source.lastSequence)).toBe(keys.length)
  await second.stop()
  await database.drop()
})
