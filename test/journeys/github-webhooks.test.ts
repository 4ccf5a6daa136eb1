import { randomUUID } from 'node:crypto'
import { sign } from '@octokit/webhooks-methods'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { expect, test } from 'vitest'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { createTestDatabase } from '../support/database.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { githubPayloads as payloads } from '../support/github-payloads.ts'
import { createEndpoint, createSource } from '../support/graphql-client.ts'
import { startReceiver } from '../support/receiver.ts'
import { readStream } from '../support/stream.ts'
import { until } from '../support/until.ts'

const secret = "It's a Secret to Everybody"

test('every GitHub webhook reaches a subscriber in order and a signed endpoint, byte for byte', async () => {
  const database = await createTestDatabase()
  const gateway = await startGatewayProcess({
    DATABASE_URL: database.databaseUrl,
    MASTER_KEYS: generateMasterKey(),
    ALLOWED_NETWORKS: '127.0.0.0/8',
  })
  const token = gateway.adminToken()
  const receiver = await startReceiver()
  const source = await createSource(gateway.baseUrl, token, {
    name: 'github',
    verification: { preset: { preset: 'GITHUB', secret } },
  })
  const endpoint = await createEndpoint(gateway.baseUrl, token, { url: receiver.url, sourceIds: [source.id] })
  const reader = readStream({ baseUrl: gateway.baseUrl, token, sourceId: source.id })
  await until(() => reader.events[0]?.__typename, 'CaughtUp')

  const ids: string[] = []
  for (const payload of payloads) ids.push(await send(source.ingressUrl, payload))
  await until(() => reader.messages.length, payloads.length)
  await until(() => receiver.accepted.length, payloads.length)

  expect(payloads.length).toBeGreaterThan(300)
  expect(reader.messages).toEqual(
    payloads.map(({ text }, index) => ({
      id: ids[index],
      sequence: index + 1,
      body: Buffer.from(text).toString('base64'),
    })),
  )
  const received = new Map(receiver.accepted.map((request) => [request.headers['webhook-id'], request]))
  payloads.forEach(({ text }, index) => {
    const request = received.get(ids[index])
    expect(request?.body.toString()).toBe(text)
    const headers = request?.headers as Record<string, string>
    expect(new StandardWebhook(endpoint.secret).verify(text, headers)).toEqual(JSON.parse(text))
    expect(() => new SvixWebhook(endpoint.secret).verify(text, headers)).not.toThrow()
    expect(() => new SvixWebhook(endpoint.secret).verify(`${text} `, headers)).toThrow()
  })

  await reader.close()
  expect(await gateway.stop()).toBe(0)
  await receiver.close()
  await database.drop()
})

async function send(url: string, { event, text }: { event: string; text: string }): Promise<string> {
  const response = await fetch(url, {
    method: 'POST',
    body: text,
    headers: {
      'content-type': 'application/json',
      'x-github-event': event,
      'x-github-delivery': randomUUID(),
      'x-hub-signature-256': await sign(secret, text),
    },
  })
  expect(response.status).toBe(202)
  const answer = (await response.json()) as { id: string }
  return answer.id
}
