import { afterAll, beforeAll, expect, test } from 'vitest'
import { findFreePort } from '../../src/http/index.ts'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { createTestDatabase } from '../support/database.ts'
import { startExample } from '../support/example.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { createEndpoint, createSource, graphql } from '../support/graphql-client.ts'
import { signedDelivery } from '../support/signed-delivery.ts'
import { until } from '../support/until.ts'

const disposers: (() => Promise<unknown>)[] = []
let gateway: GatewayProcess
let token: string

beforeAll(async () => {
  const database = await createTestDatabase()
  disposers.push(() => database.drop())
  gateway = await startGatewayProcess({
    DATABASE_URL: database.databaseUrl,
    MASTER_KEYS: generateMasterKey(),
    ALLOWED_NETWORKS: '127.0.0.0/8',
  })
  disposers.push(() => gateway.stop())
  token = gateway.adminToken()
})

afterAll(async () => {
  for (const dispose of disposers.splice(0).reverse()) await dispose()
})

async function createNamedSource(name: string) {
  const source = await createSource(gateway.baseUrl, token, { name })
  const send = async (payload: object): Promise<string> => {
    const response = await fetch(source.ingressUrl, { method: 'POST', body: JSON.stringify(payload) })
    return ((await response.json()) as { id: string }).id
  }
  return { ...source, send }
}

/** The lines after the first one. Deliveries of an endpoint go at the same time, so that their order is not told. */
const unordered = (lines: readonly string[]) => new Set(lines.slice(1))

test.each(['express', 'hono'])('the gateway delivers to the %s server, which knows who sent it', async (name) => {
  const port = String(await findFreePort('127.0.0.1'))
  const url = `http://127.0.0.1:${port}/hooks`
  const source = await createNamedSource(name)
  const { secret } = await createEndpoint(gateway.baseUrl, token, { url, sourceIds: [source.id] })
  const otherSecret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
  const environment = { PORT: port, WEBHOOK_SECRET: `${otherSecret} ${secret}` }
  const receiver = startExample(`receivers/${name}.ts`, [], environment)
  disposers.push(() => receiver.stop())
  await until(() => receiver.lines(), [`waiting for deliveries at http://localhost:${port}/hooks`])

  const order = await source.send({ type: 'order.created', data: { order: 7 } })
  const report = await source.send({ type: 'report.asked', data: {} })
  const other = await source.send({ hello: 'world' })
  const lines = [`${order} order 7`, `${report} report.asked made`, `${other} of no type is nothing for us`]
  await until(() => unordered(receiver.lines()), new Set(lines))

  const [again, forged] = [otherSecret, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'].map((key) =>
    signedDelivery(key, '{"type":"order.created","data":{"order":7}}', { id: order }),
  )
  const answers = []
  for (const delivery of [again, forged]) {
    const answer = await fetch(url, { method: 'POST', headers: delivery?.headers ?? {}, body: String(delivery?.body) })
    answers.push([answer.status, await answer.json()])
  }
  expect(answers).toEqual([
    [200, { outcome: 'duplicate' }],
    [401, { outcome: 'refused', code: 'SIGNATURE_WRONG' }],
  ])
  expect(await receiver.stop('SIGTERM')).toBe(0)
  expect(receiver.lines().slice(-2)).toEqual([
    'refused: SIGNATURE_WRONG No secret makes the signature in webhook-signature.',
    'stopped',
  ])
})

interface StreamedEvent {
  readonly type: string
  readonly subject: string
  readonly json: { readonly invocation_id: string; readonly answer?: string; readonly error?: string }
}

/** Follows a source from its beginning over SSE, until as many messages came. */
async function follow(sourceId: string, count: number): Promise<StreamedEvent[]> {
  const query = `subscription ($ids: [ID!]!, $since: DateTime) {
    messageReceived(sourceIds: $ids, since: $since) {
      ... on MessageReceived { message { json event { type subject } } }
    }
  }`
  const response = await fetch(`${gateway.baseUrl}/graphql`, {
    method: 'POST',
    headers: {
      accept: 'text/event-stream',
      'content-type': 'application/json',
      authorization: `Bearer ${token}`,
    },
    body: JSON.stringify({ query, variables: { ids: [sourceId], since: '2000-01-01T00:00:00Z' } }),
  })
  const events: StreamedEvent[] = []
  let text = ''
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString()
    const frames = text.split('\n\n')
    text = frames.pop() ?? ''
    events.push(...frames.flatMap(eventsOf))
    if (events.length >= count) break
  }
  return events
}

function eventsOf(frame: string): StreamedEvent[] {
  const data = /^data: (.*)$/m.exec(frame)?.[1] ?? ''
  if (data === '') return []
  const { message } = (JSON.parse(data) as { data: { messageReceived: { message?: Streamed } } }).data.messageReceived
  return message === undefined ? [] : [{ ...message.event, json: message.json }]
}

interface Streamed {
  readonly json: StreamedEvent['json']
  readonly event: Omit<StreamedEvent, 'json'>
}

async function createPublisherKey(): Promise<string> {
  const data = await graphql<{ createApiKey: { token: string } }>(
    gateway.baseUrl,
    token,
    `mutation {
      createApiKey(input: { name: "agent", scopes: [PUBLISH] }) { ... on CreateApiKeyPayload { token } }
    }`,
  )
  return data.createApiKey.token
}

test('what the agent does arrives in a subscription, in order, also when it fails', async () => {
  const source = await createNamedSource('agents')
  const environment = {
    HOOKLINE_URL: gateway.baseUrl,
    HOOKLINE_KEY: await createPublisherKey(),
    HOOKLINE_SOURCE: 'agents',
  }
  const following = follow(source.id, 9)
  const runs = ['one two one', ''].map((text) => startExample('agent/agent.ts', [text], environment))
  expect(await Promise.all(runs.map((run) => run.ended()))).toEqual([0, 1])

  // Both ran at the same time; each is told apart by its id.
  const events = Object.values(Object.groupBy(await following, ({ subject }) => subject))
  expect(new Set(events.map((ofRun) => ofRun?.map(({ type }) => type).join(' ')))).toEqual(
    new Set([
      'invocation_started agent_started agent_processing agent_completed invocation_success',
      'invocation_started agent_started agent_processing invocation_error',
    ]),
  )
  const results = events.map((ofRun) => ofRun?.at(-1)?.json)
  expect(results.map((json) => json?.answer ?? json?.error).toSorted()).toEqual([
    '3 words, 2 of them different',
    'There are no words to count.',
  ])
  expect(events.map((ofRun) => ofRun?.at(-1)?.subject)).toEqual(results.map((json) => json?.invocation_id))
})
