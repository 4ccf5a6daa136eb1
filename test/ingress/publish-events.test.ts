import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { graphql } from '../support/graphql-client.ts'
import { type IngressGateway, send, startIngressGateway } from './ingress-gateway.ts'

let database: TestDatabase
let gateway: IngressGateway
let sourceId: string

beforeAll(async () => {
  database = await createTestDatabase()
  gateway = await startIngressGateway({ DATABASE_URL: database.databaseUrl })
  sourceId = (await gateway.createSource({ name: 'orders', maxBodyBytes: 1_000 })).id
})

afterAll(async () => {
  await gateway.stop()
  await database.drop()
})

async function withDatabase<Value>(work: (client: pg.Client) => Promise<Value>): Promise<Value> {
  const client = new pg.Client({ connectionString: database.databaseUrl })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

interface Published {
  readonly messageId: string
  readonly isDuplicate: boolean
  readonly message: {
    readonly id: string
    readonly sequence: number
    readonly text: string
    readonly contentType: string | null
    readonly event: Record<string, unknown>
  } | null
}

interface Result {
  readonly events?: readonly Published[]
  readonly issues?: readonly { readonly code: string; readonly path: string[]; readonly message: string }[]
  readonly __typename: string
}

const resultSelection = `
  __typename
  ... on PublishEventsPayload {
    events { messageId isDuplicate message { id sequence text contentType event { id source type subject time dataSchema extensions } } }
  }
  ... on ValidationError { issues { code path message } }`

const mutation = `mutation ($input: PublishEventsInput!) { publishEvents(input: $input) { ${resultSelection} } }`

async function publish(events: unknown, id = sourceId): Promise<Result> {
  const input = { sourceId: id, events }
  return (await gateway.query<{ publishEvents: Result }>(mutation, { input })).publishEvents
}

async function publishLiteral(events: string): Promise<Result> {
  const input = `{ sourceId: "${sourceId}", events: ${events} }`
  const data = await gateway.query<{ publishEvents: Result }>(
    `mutation { publishEvents(input: ${input}) { ${resultSelection} } }`,
  )
  return data.publishEvents
}

async function lastSequence(): Promise<number> {
  const query = 'query ($id: ID!) { source(by: { id: $id }) { lastSequence } }'
  return (await gateway.query<{ source: { lastSequence: number } }>(query, { id: sourceId })).source.lastSequence
}

async function newToken(scopes: string[], sourceIds: string[] | null = null): Promise<string> {
  const input = { name: `key ${randomUUID()}`, scopes, sourceIds }
  const payload = await gateway.mutate<{ token: string }>('createApiKey', input, '... on CreateApiKeyPayload { token }')
  return payload.token
}

test('all that is said of an event is stored, and read back at once', async () => {
  const before = await lastSequence()
  const { events } = await publish([
    {
      id: 'full-1',
      type: 'order.created',
      source: '/shop',
      subject: 'Größe',
      time: '2026-11-22T00:31:00+01:00',
      dataContentType: 'application/vnd.order+json',
      dataSchema: 'https://x.example/s',
      extensions: { tier: 3, gift: true, tenant: 'é😀' },
      data: { json: { b: 1, a: [null, 'x'] } },
    },
  ])
  expect(events).toEqual([
    {
      messageId: expect.stringMatching(/^msg_/),
      isDuplicate: false,
      message: {
        id: events?.[0]?.messageId,
        sequence: before + 1,
        text: '{"b":1,"a":[null,"x"]}',
        contentType: 'application/vnd.order+json',
        event: {
          id: 'full-1',
          source: '/shop',
          type: 'order.created',
          subject: 'Größe',
          time: '2026-11-21T23:31:00.000Z',
          dataSchema: 'https://x.example/s',
          extensions: { tier: 3, gift: true, tenant: 'é😀' },
        },
      },
    },
  ])
  const stored = await gateway.readBack(events?.[0]?.messageId ?? '')
  expect(stored).toMatchObject({ text: '{"b":1,"a":[null,"x"]}', method: 'POST', headers: [] })
})

test.each([
  [undefined, '', null],
  [{ json: [] }, '[]', 'application/json'],
  [{ text: ' as it is\n' }, ' as it is\n', 'text/plain'],
  [{ text: '' }, '', 'text/plain'],
  [{ bytes: 'AAEC' }, '\u0000\u0001\u0002', 'application/octet-stream'],
])('data given as %j is sent as %j', async (data, text, contentType) => {
  const { events } = await publish([{ type: 't', data }])
  expect(events?.[0]?.message).toMatchObject({ text, contentType })
  expect(events?.[0]?.message?.event).toMatchObject({ id: events?.[0]?.messageId, source: '/sources/orders' })
})

test('numbers that stand in the document keep their digits', async () => {
  const { events } = await publishLiteral('[{ type: "t", data: { json: { n: 12345678901234567890, m: [1, 2.50] } } }]')
  expect(events?.[0]?.message?.text).toBe('{"n":12345678901234567890,"m":[1,2.5]}')
})

test('an event that is known is answered with the earlier message, over HTTP as well', async () => {
  const event = { id: 'again', source: '/shop', type: 't', data: { text: 'first' } }
  const [first] = (await publish([event])).events ?? []
  const before = await lastSequence()
  const { events } = await publish([{ ...event, data: { text: 'second' } }, event])
  const expected = { messageId: first?.messageId, isDuplicate: true, message: first?.message }
  expect(events).toEqual([expected, expected])
  const token = gateway.process.adminToken()
  const answer = await send(`${gateway.process.baseUrl}/events/orders`, {
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ id: 'again', source: '/shop', type: 't' }),
  })
  expect(answer.body).toEqual({ id: first?.messageId, sequence: first?.message?.sequence, duplicate: true })
  expect(await lastSequence()).toBe(before)
})

test('all that is wrong is told with its place, and nothing is stored', async () => {
  const before = await lastSequence()
  const { issues } = await publish([
    { type: 'fine' },
    { type: '', id: '', source: 'a b', dataSchema: '/relative', dataContentType: 'json', subject: 'a\u0007' },
    { type: 'x'.repeat(2_049), extensions: { Upper: 1, id: 'x', list: [], big: 2 ** 31, fine: null } },
    { type: 't', extensions: [1] },
  ])
  expect(issues?.map(({ code, path }) => `${code} ${path.join('.')}`).sort()).toEqual([
    'MALFORMED input.events.1.dataContentType',
    'MALFORMED input.events.1.dataSchema',
    'MALFORMED input.events.1.id',
    'MALFORMED input.events.1.source',
    'MALFORMED input.events.1.subject',
    'MALFORMED input.events.1.type',
    'MALFORMED input.events.2.extensions.Upper',
    'MALFORMED input.events.2.extensions.big',
    'MALFORMED input.events.2.extensions.id',
    'MALFORMED input.events.2.extensions.list',
    'MALFORMED input.events.3.extensions',
    'OUT_OF_RANGE input.events.2.type',
  ])
  expect(await lastSequence()).toBe(before)
})

test.each<[string, unknown[], string]>([
  ['no event', [], 'OUT_OF_RANGE input.events'],
  ['501 events', Array(501).fill({ type: 't' }), 'OUT_OF_RANGE input.events'],
  [
    'a body over the limit',
    [{ type: 't' }, { type: 't', data: { text: 'x'.repeat(1_001) } }],
    'OUT_OF_RANGE input.events.1.data',
  ],
  ['over ten bodies', Array(11).fill({ type: 't', data: { text: 'x'.repeat(1_000) } }), 'OUT_OF_RANGE input.events'],
])('%s is refused, and nothing is stored', async (_, events, issue) => {
  const before = await lastSequence()
  const { issues } = await publish(events)
  expect(issues?.map(({ code, path }) => `${code} ${path.join('.')}`)).toEqual([issue])
  expect(await lastSequence()).toBe(before)
})

test('500 events are published at once, in their order', async () => {
  const before = await lastSequence()
  const { events } = await publish(Array.from({ length: 500 }, (_, n) => ({ type: 't', data: { text: `${n}` } })))
  expect(events?.map(({ message }) => message?.sequence)).toEqual(Array.from({ length: 500 }, (_, n) => before + n + 1))
  expect(events?.at(-1)?.message?.text).toBe('499')
})

test('events that break the schema of their type are told each, and none is stored', async () => {
  const eventTypes = [{ name: 'strict.type', schema: { required: ['total'] }, onViolation: 'REFUSE' }]
  await gateway.mutate('registerEventTypes', { eventTypes }, '__typename')
  const before = await lastSequence()
  const strict = (json: unknown) => ({ type: 'strict.type', data: { json } })
  const { issues } = await publish([strict({}), strict({ total: 1 }), { type: 'other' }, strict({})])
  expect(issues).toMatchObject([
    { code: 'SCHEMA_VIOLATED', path: ['input', 'events', '0', 'data'], message: expect.stringContaining('total') },
    { code: 'SCHEMA_VIOLATED', path: ['input', 'events', '3', 'data'] },
  ])
  expect(await lastSequence()).toBe(before)
  expect((await publish([strict({ total: 1 })])).events).toHaveLength(1)
})

test('a key that may publish alone learns the ids of its messages, but reads none', async () => {
  const token = await newToken(['PUBLISH'])
  const { baseUrl } = gateway.process
  const ids = `mutation ($input: PublishEventsInput!) {
    publishEvents(input: $input) { ... on PublishEventsPayload { events { messageId isDuplicate } } }
  }`
  const input = { sourceId, events: [{ type: 't' }] }
  const data = await graphql<{ publishEvents: Result }>(baseUrl, token, ids, { input })
  expect(data.publishEvents.events).toEqual([{ messageId: expect.stringMatching(/^msg_/), isDuplicate: false }])
  await expect(graphql(baseUrl, token, mutation, { input })).rejects.toThrow('FORBIDDEN')
  const reader = await newToken(['READ', 'LISTEN'])
  await expect(graphql(baseUrl, reader, ids, { input })).rejects.toThrow('FORBIDDEN')
})

test('a source that is unknown, or beyond the key, does not exist', async () => {
  const other = await gateway.createSource({ name: 'other' })
  const token = await newToken(['PUBLISH'], [other.id])
  const text = `mutation ($input: PublishEventsInput!) {
    publishEvents(input: $input) { __typename ... on NotFoundError { id path } }
  }`
  for (const id of [sourceId, 'orders', 'src_01hzy5m3xq8v9k2t7w4n6p0rsd', 'nonsense']) {
    const input = { sourceId: id, events: [{ type: 't' }] }
    expect(await graphql(gateway.process.baseUrl, token, text, { input })).toEqual({
      publishEvents: { __typename: 'NotFoundError', id, path: ['input', 'sourceId'] },
    })
  }
})

test('over the rate of the source publishers are asked to come again', async () => {
  const { id } = await gateway.createSource({ name: 'slow', rateLimit: { count: 1, windowMs: 3_600_000 } })
  expect((await publish([{ type: 't' }], id)).events).toHaveLength(1)
  await expect(publish([{ type: 't' }], id)).rejects.toThrow(/"code":"UNAVAILABLE","retryAfterMs":\d+/)
})

test('of an event that is known and whose message is gone the id is told', async () => {
  const event = { id: 'dropped', source: '/shop', type: 't' }
  const [first] = (await publish([event])).events ?? []
  await withDatabase((client) => client.query('delete from messages where id = $1', [first?.messageId]))
  const { events } = await publish([event])
  expect(events).toEqual([{ messageId: first?.messageId, isDuplicate: true, message: null }])
})

test('while the log of the source is locked publishers are asked to come again, and nothing is stored', async () => {
  const { id } = await gateway.createSource({ name: 'locked' })
  await withDatabase(async (client) => {
    await client.query('begin')
    await client.query('select 1 from source_heads where source_id = $1 for update', [id])
    await expect(publish([{ type: 't' }], id)).rejects.toThrow(/"code":"UNAVAILABLE","retryAfterMs":2000/)
    await client.query('rollback')
  })
  expect((await publish([{ type: 't' }], id)).events?.[0]?.message?.sequence).toBe(1)
})

test.each<[string, unknown]>([
  ['two forms of data', { json: 1, text: 'x' }],
  ['no form of data', {}],
  ['JSON nested over 500 deep', { json: JSON.parse(`${'['.repeat(501)}${']'.repeat(501)}`) }],
  ['base64 that is none', { bytes: '?' }],
])('%s is BAD_USER_INPUT', async (_, data) => {
  await expect(publish([{ type: 't', data }])).rejects.toThrow('BAD_USER_INPUT')
})
