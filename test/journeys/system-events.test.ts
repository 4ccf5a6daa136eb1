import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { type CreatedSource, createEndpoint, createSource, graphql } from '../support/graphql-client.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { readStream, type StreamReader } from '../support/stream.ts'
import { until } from '../support/until.ts'

let database: TestDatabase
let environment: Record<string, string>
let gateway: GatewayProcess
let token: string
let systemId: string
let orders: CreatedSource
/** Gets system events, as structured CloudEvents. */
let watcher: Receiver
/** Listens to all sources. */
let everything: Receiver
let reader: StreamReader

beforeAll(async () => {
  database = await createTestDatabase()
  environment = {
    DATABASE_URL: database.databaseUrl,
    MASTER_KEYS: generateMasterKey(),
    ALLOWED_NETWORKS: '127.0.0.0/8',
  }
  gateway = await startGatewayProcess(environment)
  token = gateway.adminToken()
  systemId = (await systemSource()).id
  orders = await createSource(gateway.baseUrl, token, { name: 'orders' })
  watcher = await startReceiver()
  everything = await startReceiver()
  await newEndpoint(watcher, { sourceIds: [systemId], payloadFormat: 'CLOUDEVENTS_STRUCTURED' })
  await newEndpoint(everything, {})
  reader = readStream({ baseUrl: gateway.baseUrl, token, sourceId: systemId })
  await until(() => reader.events[0]?.__typename, 'CaughtUp')
})

afterAll(async () => {
  await reader.close()
  await gateway.stop()
  await watcher.close()
  await everything.close()
  await database.drop()
})

async function systemSource(): Promise<{ id: string }> {
  const query = `{ source(by: { name: "system" }) { id isSystem ingressUrl queueUrl eventsUrl } }`
  const { source } = await graphql<{ source: { id: string } }>(gateway.baseUrl, token, query)
  expect(source).toMatchObject({ isSystem: true, ingressUrl: null, queueUrl: null, eventsUrl: null })
  return source
}

async function newEndpoint(receiver: Receiver, input: Record<string, unknown>): Promise<string> {
  return (await createEndpoint(gateway.baseUrl, token, { url: receiver.url, ...input })).id
}

interface SystemEvent {
  readonly type: string
  readonly subject: string
  readonly time: string
  readonly data: Record<string, unknown>
}

/** What the watcher got, without repetitions, which at least once allows for. */
function events(): SystemEvent[] {
  const bySubscriber = new Map(watcher.accepted.map(({ headers, body }) => [headers['webhook-id'], body]))
  return [...bySubscriber.values()].map((body) => JSON.parse(body.toString()))
}

const typesAbout = (subject: string) =>
  events()
    .filter((event) => event.subject === subject)
    .map(({ type }) => type)
    .sort()

async function post(source: CreatedSource, body = '{}', headers: Record<string, string> = {}): Promise<number> {
  const url = `${gateway.baseUrl}${new URL(source.ingressUrl).pathname}`
  return (await fetch(url, { method: 'POST', headers, body })).status
}

test('an endpoint that is gone is told of with its delivery, to subscribers and to endpoints that name the source', async () => {
  const gone = await startReceiver(() => 410)
  const endpointId = await newEndpoint(gone, { sourceIds: [orders.id] })
  await post(orders)
  await until(() => typesAbout(endpointId), ['hookline.endpoint.disabled'])
  const exhausted = () => events().filter(({ type }) => type === 'hookline.delivery.exhausted')
  await until(() => exhausted().length, 1)
  const [event] = exhausted()
  expect(event).toMatchObject({
    specversion: '1.0',
    source: expect.stringMatching(/^\/projects\/prj_/),
    subject: event?.data.deliveryId,
    datacontenttype: 'application/json',
    data: {
      endpointId,
      sourceId: orders.id,
      attemptCount: 1,
      lastAttempt: { number: 1, status: 410, failure: 'STATUS' },
      occurredAt: event?.time,
    },
  })
  await until(() => reader.messages.length, 2)
  await gone.close()
})

test('a breaker that opens, and closes again, is told of', async () => {
  const flaky = await startReceiver((_request, place) => (place < 10 ? 500 : 204))
  const retryPolicy = { backoff: { delaysMs: [100, 100, 100, 100] }, jitterPercent: 0 }
  const endpointId = await newEndpoint(flaky, { sourceIds: [orders.id], retryPolicy })
  await Promise.all(Array.from({ length: 10 }, () => post(orders)))
  await until(() => typesAbout(endpointId), ['hookline.breaker.closed', 'hookline.breaker.opened'])
  await flaky.close()
})

test('a limit that a flood reaches is told of once', async () => {
  const limited = await createSource(gateway.baseUrl, token, {
    name: 'limited',
    rateLimit: { count: 1, windowMs: 3_600_000 },
  })
  const small = await createSource(gateway.baseUrl, token, { name: 'small', maxBodyBytes: 10 })
  const statuses = await Promise.all(
    Array.from({ length: 50 }, () => [post(limited), post(small, 'x'.repeat(20))]).flat(),
  )
  expect(new Set(statuses)).toEqual(new Set([202, 429, 413]))
  await until(() => typesAbout(limited.id), ['hookline.source.limit_reached'])
  await until(() => typesAbout(small.id), ['hookline.source.limit_reached'])
  expect(events().find(({ subject }) => subject === small.id)?.data).toMatchObject({
    sourceName: 'small',
    limit: 'BODY_SIZE',
    maxBodyBytes: 10,
  })
})

test('nobody can send to the system source, by any way in', async () => {
  const authorization = `Bearer ${token}`
  const event = JSON.stringify({ specversion: '1.0', id: '1', source: '/x', type: 'x' })
  for (const path of ['/events/system', `/events/${systemId}`, '/q/default/system', '/in/system', `/in/${systemId}`]) {
    for (const contentType of ['application/cloudevents+json', 'application/json']) {
      const headers = { authorization, 'content-type': contentType }
      const answer = await fetch(`${gateway.baseUrl}${path}`, { method: 'POST', headers, body: event })
      expect([path, answer.status]).toEqual([path, 404])
    }
  }
  const query = `mutation ($sourceId: ID!) {
    publishEvents(input: { sourceId: $sourceId, events: [{ type: "x", data: { text: "x" } }] }) { __typename }
  }`
  const published = await graphql(gateway.baseUrl, token, query, { sourceId: systemId })
  expect(published).toEqual({ publishEvents: { __typename: 'NotFoundError' } })
})

test('what befalls the deliveries of system events is told to nobody, and all sources are all but this one', async () => {
  const dead = await startReceiver(() => 410)
  const deadId = await newEndpoint(dead, { sourceIds: [systemId] })
  const gone = await startReceiver(() => 410)
  const goneId = await newEndpoint(gone, { sourceIds: [orders.id] })
  await post(orders)
  await until(() => typesAbout(goneId), ['hookline.endpoint.disabled'])
  const query = `query ($id: ID!) { endpoint(id: $id) { status } }`
  const statusOf = async (id: string) =>
    (await graphql<{ endpoint: { status: string } }>(gateway.baseUrl, token, query, { id })).endpoint.status
  await until(() => statusOf(deadId), 'DISABLED')
  // One more, which comes behind whatever the dead one could have caused.
  const last = await newEndpoint(gone, { sourceIds: [orders.id] })
  await post(orders)
  await until(() => typesAbout(last), ['hookline.endpoint.disabled'])
  expect(events().filter(({ data }) => data.endpointId === deadId)).toEqual([])
  expect(everything.requests.map(({ body }) => body.toString())).not.toContainEqual(expect.stringContaining('hookline'))
  expect(everything.requests.length).toBeGreaterThan(0)
  for (const receiver of [dead, gone]) await receiver.close()
})

test('what was settled but not recorded when the gateway was killed is told once it runs again', async () => {
  const gone = await startReceiver(() => 410)
  const endpointId = await newEndpoint(gone, { sourceIds: [orders.id] })
  const client = new pg.Client({ connectionString: database.databaseUrl })
  await client.connect()
  // The recorder cannot go on.
  await client.query('begin')
  await client.query('select from source_heads where source_id = $1 for update', [systemId])
  await post(orders)
  const waiting = async () => Number((await client.query('select count(*) from system_events')).rows[0].count)
  await until(waiting, 2)
  await gateway.stop('SIGKILL')
  await client.query('rollback')
  expect(await waiting()).toBe(2)
  gateway = await startGatewayProcess({ ...environment, PORT: new URL(gateway.baseUrl).port })
  await until(() => typesAbout(endpointId), ['hookline.endpoint.disabled'])
  await until(waiting, 0)
  const recorded = await client.query(
    `select event_type || event_subject as told, count(*)::int from messages where source_id = $1 group by 1`,
    [systemId],
  )
  expect(recorded.rows.every(({ count }) => count === 1)).toBe(true)
  // The subscriber has gone on behind the last that it had seen.
  await until(() => reader.messages.length, recorded.rows.length)
  await client.end()
  await gone.close()
})
