import { randomUUID } from 'node:crypto'
import { HTTP, CloudEvent as SdkEvent } from 'cloudevents'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { exchangeBytes } from '../http/start-server.ts'
import type { CreatedSource } from '../support/graphql-client.ts'
import { type IngressGateway, send, startIngressGateway } from './ingress-gateway.ts'

let gateway: IngressGateway
let source: CreatedSource
/** A key that may publish, and nothing else. */
let key: string

beforeAll(async () => {
  gateway = await startIngressGateway()
  source = await gateway.createSource({ name: 'orders', maxBodyBytes: 1_000_000 })
  key = await createKey(['PUBLISH'])
})

afterAll(async () => {
  expect(gateway.process.output()).not.toContain('"level":"error"')
  expect(gateway.process.output()).not.toContain(key)
  await gateway.stop()
})

async function createKey(scopes: string[], sourceIds?: string[]): Promise<string> {
  const input = { name: `key ${randomUUID()}`, scopes, ...(sourceIds ? { sourceIds } : {}) }
  const selection = '... on CreateApiKeyPayload { token }'
  return (await gateway.mutate<{ token: string }>('createApiKey', input, selection)).token
}

interface Receipt {
  readonly id: string
  readonly sequence: number
  readonly duplicate: boolean
}

type Headers = Record<string, string>

async function publish(body: string | Buffer, headers: Headers = {}, target = 'orders') {
  const answer = await send(`${gateway.process.baseUrl}/events/${target}`, {
    body: new Uint8Array(Buffer.from(body)),
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
  })
  const { events = [], ...receipt } = answer.body as unknown as Receipt & { events?: Receipt[] }
  return { ...answer, receipt, events }
}

const structured = { 'content-type': 'application/cloudevents+json' }
const batched = { 'content-type': 'application/cloudevents-batch+json' }
const cloudEvent = (members = '', id: string = randomUUID()) =>
  `{"specversion":"1.0","id":"${id}","source":"/shop","type":"order.created"${members}}`

interface StoredEvent {
  readonly body: string
  readonly text: string | null
  readonly method: string
  readonly path: string | null
  readonly query: string | null
  readonly contentType: string | null
  readonly schemaViolation: string | null
  readonly headers: { name: string; value: string }[]
  readonly event: Record<string, unknown>
}

async function stored(id: string): Promise<StoredEvent> {
  const { message } = await gateway.query<{ message: StoredEvent }>(
    `query ($id: ID!) { message(id: $id) {
      body text method path query contentType schemaViolation headers { name value }
      event { id source type subject time dataSchema extensions }
    } }`,
    { id },
  )
  return message
}

async function lastSequence(id = source.id): Promise<number> {
  const query = 'query ($id: ID!) { source(by: { id: $id }) { lastSequence } }'
  const data = await gateway.query<{ source: { lastSequence: number } }>(query, { id })
  return data.source.lastSequence
}

test('a structured event is stored as its data, with its attributes', async () => {
  const data = '{ "total": 12345678901234567890, "total": -0 }'
  const members = `,"subject":"Größe","time":"2026-11-22T00:31:00+01:00","dataschema":"https://x.example/s","tier":3,"data":${data}`
  const { status, receipt } = await publish(cloudEvent(members, 'structured-1'), structured)
  expect({ status, receipt }).toEqual({
    status: 202,
    receipt: { id: expect.stringMatching(/^msg_/), sequence: await lastSequence(), duplicate: false },
  })
  expect(await stored(receipt.id)).toMatchObject({
    text: data,
    method: 'POST',
    path: null,
    query: null,
    contentType: 'application/json',
    schemaViolation: null,
    event: {
      id: 'structured-1',
      source: '/shop',
      type: 'order.created',
      subject: 'Größe',
      time: '2026-11-21T23:31:00.000Z',
      dataSchema: 'https://x.example/s',
      extensions: { tier: 3 },
    },
  })
})

test('what the official SDK sends in binary mode is stored byte for byte', async () => {
  const given = new SdkEvent({ id: 'sdk-1', source: '/sdk', type: 'a.b', datacontenttype: 'text/csv', data: 'a,b\r\n' })
  const { headers, body } = HTTP.binary(given)
  const { status, receipt } = await publish(String(body), headers as Headers)
  expect(status).toBe(202)
  expect(await stored(receipt.id)).toMatchObject({
    text: 'a,b\r\n',
    contentType: 'text/csv',
    event: { id: 'sdk-1', source: '/sdk', type: 'a.b', time: new Date(given.time ?? '').toISOString() },
  })
})

test('attributes in headers are decoded, and bytes that are no text are kept', async () => {
  const headers = {
    'ce-specversion': '1.0',
    'ce-id': 'binary-1',
    'ce-source': '/s',
    'ce-type': 't',
    'ce-subject': 'Euro%20%E2%82%AC%20%F0%9F%98%80',
    'ce-ext': '"quoted value"',
    'content-type': 'image/png',
  }
  const { receipt } = await publish(Buffer.from([0, 255, 128]), headers)
  expect(await stored(receipt.id)).toMatchObject({
    body: Buffer.from([0, 255, 128]).toString('base64'),
    contentType: 'image/png',
    event: { subject: 'Euro € 😀', extensions: { ext: 'quoted value' } },
  })
})

test('a batch is answered with a receipt for each event, in their order', async () => {
  const before = await lastSequence()
  const body = `[${cloudEvent(',"data":1')},${cloudEvent(',"data":"x","datacontenttype":"text/plain"')}]`
  const { status, events } = await publish(body, batched)
  expect(status).toBe(202)
  expect(events.map(({ sequence }) => sequence)).toEqual([before + 1, before + 2])
  expect(await stored(events[1]?.id ?? '')).toMatchObject({ text: 'x', contentType: 'text/plain' })
  expect(await publish('[]', batched)).toMatchObject({ status: 202, events: [] })
})

test('a plain event needs a type only: id, source and time are given to it', async () => {
  const startedAt = Date.now()
  const { status, receipt } = await publish('{"type":"order.created","data":{"a": 1}}')
  expect(status).toBe(202)
  const message = await stored(receipt.id)
  expect(message).toMatchObject({ text: '{"a": 1}', event: { id: receipt.id, source: '/sources/orders' } })
  expect(Date.parse(String(message.event.time))).toBeGreaterThanOrEqual(startedAt)
  const list = await publish('[{"type":"a","timestamp":"2022-11-03T20:26:10Z"}]')
  expect((await stored(list.events[0]?.id ?? '')).event).toMatchObject({ type: 'a', time: '2022-11-03T20:26:10.000Z' })
})

test('a source is named by its id as well', async () => {
  expect((await publish(cloudEvent(), structured, source.id)).status).toBe(202)
})

test('the key may stand in the query, and neither there nor in a header is it stored', async () => {
  const url = `${gateway.process.baseUrl}/events/orders?a=1&access_token=${key}`
  const answer = await send(url, { body: cloudEvent(), headers: structured })
  expect(answer.status).toBe(202)
  expect(await stored(answer.body.id)).toMatchObject({ query: 'a=1' })
  const { headers } = await stored((await publish(cloudEvent(), structured)).receipt.id)
  expect(headers).toContainEqual({ name: 'authorization', value: '[redacted]' })
  expect(answer.headers.get('cache-control')).toBe('no-store')
  expect(answer.headers.get('referrer-policy')).toBe('no-referrer')
})

test('without a key that holds nothing is told but how to send one', async () => {
  for (const authorization of ['', 'Bearer x', `Basic ${key}`, `Bearer ${key.slice(0, -1)}`]) {
    for (const target of ['orders', 'no-such-source']) {
      const answer = await publish(cloudEvent(), { ...structured, authorization }, target)
      expect(answer).toMatchObject({ status: 401, body: { code: 'UNAUTHENTICATED' } })
      expect(answer.headers.get('www-authenticate')).toBe('Bearer')
    }
  }
})

test('a key without the scope is forbidden to publish, and sources that a key does not see do not exist', async () => {
  const reader = { authorization: `Bearer ${await createKey(['READ', 'LISTEN'])}` }
  expect(await publish(cloudEvent(), { ...structured, ...reader })).toMatchObject({
    status: 403,
    body: { code: 'FORBIDDEN' },
  })
  const other = await gateway.createSource({ name: 'other' })
  const limited = { ...structured, authorization: `Bearer ${await createKey(['PUBLISH'], [other.id])}` }
  expect((await publish(cloudEvent(), limited, 'other')).status).toBe(202)
  const targets = ['orders', source.id, 'nobody', 'src_01hzy5m3xq8v9k2t7w4n6p0rsd', '%ff', '..%2fgraphql', '%00']
  for (const target of targets) {
    const { status, body } = await publish(cloudEvent(), limited, target)
    expect({ target, status, code: body.code }).toEqual({ target, status: 404, code: 'NOT_FOUND' })
  }
})

const tooLong = 'x'.repeat(2_049)
const longNumber = '[12345678901234567890]'

test.each<[string, string | Buffer, Headers, number, string]>([
  ['no JSON', '{"specversion":', structured, 400, 'EVENT_MALFORMED'],
  ['nothing', '', structured, 400, 'EVENT_MALFORMED'],
  ['invalid UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), structured, 400, 'EVENT_MALFORMED'],
  ['no id', '{"specversion":"1.0","source":"/","type":"t"}', structured, 400, 'EVENT_MALFORMED'],
  ['an empty source', '{"specversion":"1.0","id":"1","source":"","type":"t"}', structured, 400, 'EVENT_MALFORMED'],
  ['version 1.1', '{"specversion":"1.1","id":"1","source":"/","type":"t"}', structured, 400, 'EVENT_MALFORMED'],
  ['two forms of data', cloudEvent(',"data":1,"data_base64":"AA=="'), structured, 400, 'EVENT_MALFORMED'],
  ['an attribute twice', cloudEvent(',"type":"u"'), structured, 400, 'EVENT_MALFORMED'],
  ['an attribute of no attribute type', cloudEvent(`,"ext":${longNumber}`), structured, 400, 'EVENT_MALFORMED'],
  ['an attribute too long', cloudEvent(`,"ext":"${tooLong}"`), structured, 400, 'EVENT_MALFORMED'],
  ['JavaScript in mind', cloudEvent(',"__proto__":{"polluted":true}'), structured, 400, 'EVENT_MALFORMED'],
  ['depth without end', '['.repeat(100_000), structured, 400, 'EVENT_MALFORMED'],
  ['a list in structured mode', `[${cloudEvent()}]`, structured, 400, 'EVENT_MALFORMED'],
  ['one event in batched mode', cloudEvent(), batched, 400, 'EVENT_MALFORMED'],
  ['a batch with one bad event', `[${cloudEvent()},{"specversion":"1.0"}]`, batched, 400, 'EVENT_MALFORMED'],
  ['501 events', `[${Array(501).fill(cloudEvent())}]`, batched, 400, 'EVENT_MALFORMED'],
  ['a plain event without a type', '{"data":1}', {}, 400, 'EVENT_MALFORMED'],
  ['half the headers of an event', '1', { 'ce-id': '1' }, 400, 'EVENT_MALFORMED'],
  ['overlong UTF-8 in a header', '1', binary({ 'ce-subject': '%C0%A0' }), 400, 'EVENT_MALFORMED'],
  ['its content type in a second header', '1', binary({ 'ce-datacontenttype': 'a/b' }), 400, 'EVENT_MALFORMED'],
  ['another format', cloudEvent(), { 'content-type': 'application/cloudevents+avro' }, 415, 'FORMAT_NOT_ACCEPTED'],
  ['another character set', cloudEvent(), charset('utf-16'), 415, 'FORMAT_NOT_ACCEPTED'],
  ['a form', 'type=t', { 'content-type': 'application/x-www-form-urlencoded' }, 415, 'FORMAT_NOT_ACCEPTED'],
  ['a content coding', cloudEvent(), { ...structured, 'content-encoding': 'gzip' }, 415, 'CONTENT_CODING_NOT_ACCEPTED'],
  ['too large a body', cloudEvent(`,"data":"${'x'.repeat(1_000_000)}"`), structured, 413, 'BODY_TOO_LARGE'],
  ['too large a plain event', `{"type":"t","data":"${'x'.repeat(1_000_000)}"}`, {}, 413, 'BODY_TOO_LARGE'],
  ['too large an event among others', `[${cloudEvent()},${large(1_000_000)}]`, batched, 413, 'BODY_TOO_LARGE'],
  ['more than ten bodies', `[${Array(11).fill(large(950_000))}]`, batched, 413, 'BODY_TOO_LARGE'],
  ['a key that is not ASCII', cloudEvent(), keyed('é'), 400, 'IDEMPOTENCY_KEY_MALFORMED'],
])('a request with %s is refused, stored is nothing, and the owner is told', async (_, body, headers, status, code) => {
  const { id } = await gateway.createSource({ name: `refusing-${randomUUID()}`, maxBodyBytes: 1_000_000 })
  const answer = await publish(body, headers, id)
  expect({ status: answer.status, code: answer.body.code }).toEqual({ status, code })
  expect(answer.text).not.toContain('x'.repeat(100))
  expect(await lastSequence(id)).toBe(0)
  await gateway.latestRefusal(id, { status, method: 'POST' })
  expect({}).not.toHaveProperty('polluted')
})

function binary(headers: Headers): Headers {
  return { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/', 'ce-type': 't', ...headers }
}

function charset(name: string): Headers {
  return { 'content-type': `application/cloudevents+json; charset=${name}` }
}

function keyed(text: string): Headers {
  return { ...structured, 'idempotency-key': text }
}

function large(bytes: number): string {
  return cloudEvent(`,"data":"${'x'.repeat(bytes)}"`)
}

test('a header of an event that comes twice is refused', async () => {
  const head = Object.entries(binary({ host: 'x', authorization: `Bearer ${key}`, 'content-length': '0' }))
  const lines = [...head, ['ce-id', '2']].map(([name, value]) => `${name}: ${value}\r\n`)
  const answer = await exchangeBytes(
    gateway.port,
    `POST /events/orders HTTP/1.1\r\n${lines.join('')}connection: close\r\n\r\n`,
  )
  expect(answer).toMatch(/^HTTP\/1\.1 400 .*EVENT_MALFORMED.*ce-id is there twice/s)
})

test('events that fit each into the limit may together be ten times as large', async () => {
  const { status, events } = await publish(`[${Array.from({ length: 10 }, () => large(990_000))}]`, batched)
  expect({ status, count: events.length }).toEqual({ status: 202, count: 10 })
})

test('an event that comes again is answered with the first one, whatever way it comes', async () => {
  const first = await publish(cloudEvent(',"data":1', 'again-1'), structured)
  const again = [
    await publish(cloudEvent(',"data":2', 'again-1'), structured),
    await publish('2', binary({ 'ce-id': 'again-1', 'ce-source': '/shop' })),
    await publish('{"type":"t","id":"again-1","source":"/shop"}'),
    await send(source.ingressUrl, { body: cloudEvent('', 'again-1'), headers: structured }),
  ]
  for (const { status, body } of again) {
    expect({ status, body }).toEqual({ status: 202, body: { ...first.receipt, duplicate: true } })
  }
  const elsewhere = await publish('{"type":"t","id":"again-1","source":"/another-shop"}')
  expect(elsewhere.receipt.duplicate).toBe(false)
})

test('an event that stands twice in a batch is stored once', async () => {
  const before = await lastSequence()
  const { events } = await publish(`[${cloudEvent('', 'b')},${cloudEvent('', 'c')},${cloudEvent('', 'b')}]`, batched)
  expect(events.map(({ duplicate }) => duplicate)).toEqual([false, false, true])
  expect(events[2]?.id).toBe(events[0]?.id)
  expect(await lastSequence()).toBe(before + 2)
})

test.each([
  ['one event', cloudEvent(), structured],
  ['many', `[${cloudEvent()},${cloudEvent('', 'd')},${cloudEvent('', 'd')}]`, batched],
])('a repeated idempotency key of %s is answered as the first time', async (_, body, type) => {
  const headers = { ...type, 'idempotency-key': randomUUID() }
  const first = await publish(body, headers)
  const before = await lastSequence()
  const again = await publish(body, headers)
  expect([first.status, again.status]).toEqual([202, 202])
  expect(again.text).toBe(first.text)
  expect(first.headers.get('idempotent-replayed')).toBeNull()
  expect(again.headers.get('idempotent-replayed')).toBe('true')
  expect(await lastSequence()).toBe(before)
})

test("a list's idempotency key takes no other key away", async () => {
  const key = randomUUID()
  const list = await publish('[{"type":"a"},{"type":"b"}]', { 'idempotency-key': key })
  expect(list.status).toBe(202)
  for (const other of [`${key}:1`, `${key}:0`]) {
    const answer = await publish('{"type":"c"}', { 'idempotency-key': other })
    expect([answer.status, answer.headers.get('idempotent-replayed')]).toEqual([202, null])
  }
})

test('an idempotency key with other events is refused, however many they are, and none is stored', async () => {
  const key = { 'idempotency-key': randomUUID() }
  await publish(cloudEvent(), { ...structured, ...key })
  const before = await lastSequence()
  const others = [
    [cloudEvent(), structured],
    [`[${cloudEvent()},${cloudEvent()}]`, batched],
  ] as const
  for (const [body, type] of others) {
    const answer = await publish(body, { ...type, ...key })
    expect(answer).toMatchObject({ status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } })
  }
  expect(await lastSequence()).toBe(before)
})

test('a hundred publishers of one event at the same time store it once, and all are told so', async () => {
  const body = cloudEvent('', 'race')
  const answers = await Promise.all(Array.from({ length: 100 }, () => publish(body, structured)))
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]))
  expect(new Set(answers.map(({ receipt }) => receipt.id)).size).toBe(1)
  expect(answers.filter(({ receipt }) => !receipt.duplicate)).toHaveLength(1)
})

test('the addresses and the rate of the source hold for publishers too', async () => {
  const far = await gateway.createSource({ name: 'far', allowedNetworks: ['192.0.2.0/24'] })
  expect(await publish(cloudEvent(), structured, 'far')).toMatchObject({ body: { code: 'ADDRESS_NOT_ALLOWED' } })
  await gateway.latestRefusal(far.id, { reason: 'ADDRESS_NOT_ALLOWED', status: 403 })
  await gateway.createSource({ name: 'slow', rateLimit: { count: 1, windowMs: 3_600_000 } })
  expect((await publish(cloudEvent(), structured, 'slow')).headers.get('ratelimit')).toContain('r=0')
  const refused = await publish(cloudEvent(), structured, 'slow')
  expect(refused).toMatchObject({ status: 429, body: { code: 'RATE_LIMITED' } })
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
})

test('events that break the schema of their type are refused, all of a batch, or marked', async () => {
  const schema = { type: 'object', required: ['total'] }
  const eventTypes = [
    { name: 'strict.type', schema, onViolation: 'REFUSE' },
    { name: 'marked.type', schema },
  ]
  await gateway.mutate('registerEventTypes', { eventTypes }, '__typename')
  const plain = (type: string, data: string) => `{"type":"${type}","data":${data}}`
  const before = await lastSequence()
  const refused = await publish(`[${plain('strict.type', '{"total":1}')},${plain('strict.type', '{}')}]`)
  expect(refused).toMatchObject({ status: 422, body: { code: 'SCHEMA_VIOLATED' } })
  expect(refused.body.detail).toMatch(/^Event 1, counted from 0: .*total/)
  expect(await lastSequence()).toBe(before)
  await gateway.latestRefusal(source.id, { reason: 'SCHEMA_VIOLATED', status: 422 })
  const marked = await publish(plain('marked.type', '{}'))
  expect((await stored(marked.receipt.id)).schemaViolation).toContain('total')
  const fitting = await publish(plain('strict.type', '{"total":1}'))
  expect((await stored(fitting.receipt.id)).schemaViolation).toBeNull()
})

test('a sender that asks first is told that it may send, and other methods are not possible', async () => {
  const url = `${gateway.process.baseUrl}/events/orders?access_token=${key}`
  const asked = await send(url, { method: 'OPTIONS', headers: { 'webhook-request-origin': 'events.example.com' } })
  expect(asked.status).toBe(200)
  expect(asked.headers.get('webhook-allowed-origin')).toBe('events.example.com')
  expect(asked.headers.get('allow')).toContain('POST')
  expect((await send(url, { method: 'OPTIONS' })).status).toBe(405)
  const get = await send(url, { method: 'GET' })
  expect({ status: get.status, allow: get.headers.get('allow') }).toEqual({ status: 405, allow: 'POST, OPTIONS' })
})
