import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { promisify } from 'node:util'
import { EventSource } from 'undici'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import WebSocket from 'ws'
import type { Scope } from '../../src/auth/index.ts'
import type { Source } from '../../src/sources/index.ts'
import { dataOf, overEventStream, overWebSocket } from '../graphql/client.ts'
import { type Gateway, gatewayOfTest, type Project, startGateway } from '../graphql/gateway.ts'
import { openNarrowWay } from '../graphql/instruments.ts'
import { type EventStreamReader, openEventStream } from '../support/event-stream.ts'
import { until } from '../support/until.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway({ heartbeatMs: 200, allowedOrigins: ['https://app.example'] })
})
afterAll(() => gateway.close())

async function newReader(scopes: readonly Scope[] = ['listen'], of = gateway) {
  const project = await of.newProject()
  const { id: keyId, token } = await project.key(scopes)
  const headers = { authorization: `Bearer ${token}` }
  const open = (query: string, more: Record<string, string> = {}) =>
    openEventStream(`${of.baseUrl}/stream?${query}`, { ...headers, ...more })
  const refusal = async (query: string, more: Record<string, string> = {}) => {
    const response = await fetch(`${of.baseUrl}/stream?${query}`, { headers: { ...headers, ...more } })
    return { status: response.status, ...((await response.json()) as { code: string; detail: string }) }
  }
  return { project, keyId, token, headers, open, refusal, source: await project.source() }
}

async function record(project: Project, source: Source, texts: readonly string[]): Promise<void> {
  for (const text of texts) await project.message(source, { body: Buffer.from(text) })
}

async function textsOf(stream: EventStreamReader, count: number): Promise<string[]> {
  const texts: string[] = []
  while (texts.length < count) {
    const event = await stream.next()
    if (event === null) throw new Error(`the stream ended after ${texts.join()}`)
    if (event.type === 'message') texts.push(event.data.text)
  }
  return texts
}

async function ticketUrl(token: string, sourceIds: readonly string[]): Promise<string> {
  const data = await dataOf(
    { baseUrl: gateway.baseUrl, token },
    `mutation ($input: CreateStreamTicketInput!) {
      createStreamTicket(input: $input) {
        __typename
        ... on CreateStreamTicketPayload { url expiresAt }
        ... on UserError { code path }
      }
    }`,
    { input: { sourceIds } },
  )
  const { __typename, url, expiresAt } = data.createStreamTicket
  if (__typename !== 'CreateStreamTicketPayload') throw new Error(JSON.stringify(data))
  expect(Date.parse(expiresAt) - Date.now()).toBeGreaterThan(50_000)
  expect(Date.parse(expiresAt) - Date.now()).toBeLessThanOrEqual(60_500)
  expect(url).toMatch(/^https:\/\/hooks\.example\/stream\?ticket=[\w-]{43}$/)
  return url.replace('https://hooks.example', gateway.baseUrl)
}

const subscription = `subscription ($sourceIds: [ID!]!, $after: [Cursor!], $since: DateTime) {
  messageReceived(sourceIds: $sourceIds, after: $after, since: $since) {
    __typename cursor
    ... on MessageReceived { message {
      id source { id name } sequence receivedAt method path query headers { name value } contentType remoteAddress bodyBytes
      body text event { id source type subject time dataSchema extensions } schemaViolation
    } }
  }
}`

describe('what a stream tells', () => {
  test('the same events as the subscription, with the same cursors', async () => {
    const { project, token, open, source } = await newReader()
    await project.message(source, {
      path: '/orders/7',
      query: 'a=1',
      body: Buffer.from('{"größe":"😀\\n"}\n'),
      eventType: 'order.created',
      eventSubject: '7',
      eventTime: new Date('2026-11-01T00:00:00.123Z'),
      eventExtensions: '{"traceparent":"x","n":1}',
    })
    await project.message(source, { body: Buffer.from([0xff, 0x00, 0x0a]) })
    const since = new Date(Date.now() - 60_000).toISOString()
    const graphql = overWebSocket({ baseUrl: gateway.baseUrl, token }, subscription, { sourceIds: [source.id], since })
    const stream = await open(`source=${source.name}&since=${since}`)
    for (const text of ['{"größe":"😀\\n"}\n', null]) {
      const expected = (await graphql.next()).data.messageReceived
      const event = await stream.next()
      expect(event).toMatchObject({ type: 'message', lastEventId: expected.cursor })
      expect(event?.data).toEqual({ cursor: expected.cursor, ...expected.message })
      expect(event?.data.text).toBe(text)
    }
    const caughtUp = (await graphql.next()).data.messageReceived
    expect(await stream.next()).toEqual({
      type: 'caught-up',
      lastEventId: caughtUp.cursor,
      data: { cursor: caughtUp.cursor, source: { id: source.id, name: source.name } },
    })
    expect(stream.retryMs()).toBe(2_000)
    expect(stream.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(stream.response.headers.get('cache-control')).toContain('no-store')
  })

  test('what is found by its id or its name, and a quiet stream shows that it lives', async () => {
    const { project, open, source } = await newReader()
    const stream = await open(`source=${source.id}&source=${source.name}`)
    expect(await stream.next()).toMatchObject({ type: 'caught-up' })
    const next = stream.next()
    await until(() => stream.comments() >= 3, true, { timeoutMs: 5_000 })
    await record(project, source, ['one'])
    expect((await next)?.data.text).toBe('one')
  })

  test('what a filter lets through, and how far the reader has come', async () => {
    const { project, open, source } = await newReader()
    const filter = encodeURIComponent('{"any":[{"data":{"pointer":"/n","value":2}},{"types":["order.*"]}]}')
    const stream = await open(`source=${source.name}&filter=${filter}`)
    expect(await stream.next()).toMatchObject({ type: 'caught-up' })
    await record(project, source, ['{"n":1}', '{"n":2}'])
    await project.message(source, { eventType: 'order.created', body: Buffer.from('order') })
    expect(await textsOf(stream, 2)).toEqual(['{"n":2}', 'order'])
    await Promise.all(Array.from({ length: 1_000 }, () => project.message(source)))
    const progress = await stream.next()
    expect(progress).toMatchObject({ type: 'progress', data: { source: { id: source.id } } })
    await record(project, source, ['later'])
    const resumed = await open(`source=${source.name}&after=${progress?.lastEventId}`)
    expect(await textsOf(resumed, 1)).toEqual(['later'])
  })

  test('a gap, once, where retention has dropped what was not read', async () => {
    const { project, open, source } = await newReader()
    const first = await open(`source=${source.name}`)
    await first.next()
    await record(project, source, ['1', '2', '3', '4'])
    await textsOf(first, 1)
    first.close()
    // Until then the process holds what was just read.
    await until(() => gateway.accessLog.at(-1)?.projectId, source.projectId)
    await gateway.sql.query('update source_heads set first_sequence = 4 where source_id = $1', [source.id])
    const resumed = await open(`source=${source.name}`, { 'last-event-id': first.lastEventId() })
    const gap = await resumed.next()
    expect(gap).toMatchObject({ type: 'gap', data: { reason: 'RETENTION', fromSequence: 2, toSequence: 3 } })
    expect((await resumed.next())?.data).toMatchObject({ sequence: 4, text: '4' })
    const again = await open(`source=${source.name}`, { 'last-event-id': gap?.lastEventId ?? '' })
    expect(await again.next()).toMatchObject({ type: 'message', data: { sequence: 4 } })
  })
})

describe('a reader who comes again', () => {
  test('goes on in each of its sources from the id of the last event', async () => {
    const { project, open, source } = await newReader()
    const other = await project.source()
    const query = `source=${source.name}&source=${other.name}`
    const first = await open(query)
    await first.next()
    await first.next()
    await record(project, source, ['a1', 'a2'])
    await record(project, other, ['b1'])
    const seen = await textsOf(first, 2)
    first.close()
    await record(project, other, ['b2'])
    for (const how of ['header', 'after'] as const) {
      const id = first.lastEventId()
      const again = await (how === 'after' ? open(`${query}&after=${id}`) : open(query, { 'last-event-id': id }))
      const rest = await textsOf(again, 2)
      expect([...seen, ...rest].filter((text) => text.startsWith('a'))).toEqual(['a1', 'a2'])
      expect([...seen, ...rest].filter((text) => text.startsWith('b'))).toEqual(['b1', 'b2'])
      again.close()
    }
  })

  test('finds the header count for more than the address, which stays as it was', async () => {
    const { project, open, source } = await newReader()
    const first = await open(`source=${source.name}`)
    await first.next()
    const begin = first.lastEventId()
    await record(project, source, ['1', '2'])
    await textsOf(first, 1)
    const again = await open(`source=${source.name}&after=${begin}`, { 'last-event-id': first.lastEventId() })
    expect(await textsOf(again, 1)).toEqual(['2'])
  })

  test('misses nothing even when its connection broke before the first event', async () => {
    const { project, open, source } = await newReader()
    const stream = await open(`source=${source.name}`)
    const next = stream.next()
    await until(() => stream.lastEventId() !== '', true)
    const id = stream.lastEventId()
    stream.close()
    await next
    await record(project, source, ['while away'])
    const again = await open(`source=${source.name}`, { 'last-event-id': id })
    expect(await textsOf(again, 1)).toEqual(['while away'])
  })

  test('may come with the cursors of subscriptions, and take its ids there', async () => {
    const { project, token, open, source } = await newReader()
    const graphql = overEventStream({ baseUrl: gateway.baseUrl, token }, subscription, { sourceIds: [source.id] })
    const { cursor } = (await graphql.next()).data.messageReceived
    await record(project, source, ['1', '2'])
    const stream = await open(`source=${source.name}&after=${cursor}`)
    expect(await textsOf(stream, 1)).toEqual(['1'])
    const variables = { sourceIds: [source.id], after: [stream.lastEventId()] }
    const back = overWebSocket({ baseUrl: gateway.baseUrl, token }, subscription, variables)
    expect((await back.next()).data.messageReceived.message.text).toBe('2')
  })
})

describe('who may stream', () => {
  test('nobody without a key that holds, has LISTEN, and may use the source', async () => {
    const { project, headers, refusal, source } = await newReader()
    const hidden = await project.source()
    const limited = await project.key(['listen'], { sourceIds: [source.id] })
    const reading = await project.key(['read'])
    const foreign = await (await gateway.newProject()).source()
    const as = (token: string) => ({ authorization: `Bearer ${token}` })
    expect(await refusal(`source=${source.name}`, as('hk_nonsense'))).toMatchObject({
      status: 401,
      code: 'UNAUTHENTICATED',
    })
    expect((await fetch(`${gateway.baseUrl}/stream?source=x`)).status).toBe(401)
    expect(await refusal(`source=${source.name}`, as(reading.token))).toMatchObject({ status: 403, code: 'FORBIDDEN' })
    for (const name of [foreign.id, foreign.name, 'unknown', "' or true --", 'src_0']) {
      const query = `source=${source.name}&source=${encodeURIComponent(name)}`
      expect(await refusal(query)).toMatchObject({ status: 404, code: 'NOT_FOUND' })
    }
    expect(await refusal(`source=${hidden.name}`, as(limited.token))).toMatchObject({ status: 404, code: 'NOT_FOUND' })
    expect(headers.authorization).toContain('hk_')
  })

  test('a ticket opens one stream, of its own sources alone', async () => {
    const { project, token, source } = await newReader()
    const other = await project.source()
    const url = await ticketUrl(token, [source.id])
    const [first, second] = await Promise.all([openEventStream(url), openEventStream(url)])
    expect([first.response.status, second.response.status].sort()).toEqual([200, 401])
    const stream = first.response.status === 200 ? first : second
    expect(await stream.next()).toMatchObject({ type: 'caught-up', data: { source: { id: source.id } } })
    await record(project, source, ['one'])
    expect(await textsOf(stream, 1)).toEqual(['one'])
    expect((await openEventStream(url)).response.status).toBe(401)
    expect((await openEventStream(`${await ticketUrl(token, [source.id])}&source=${other.name}`)).response.status).toBe(
      404,
    )
    const both = await openEventStream(`${await ticketUrl(token, [source.id, other.id])}&after=${stream.lastEventId()}`)
    expect(both.response.status).toBe(200)
    const [row] = await gateway.sql.query<{ count: number }>('select count(*)::int as count from stream_tickets')
    expect(row?.count).toBe(0)
  })

  test('a ticket ends after a minute, and with the key that asked for it', async () => {
    const { project, token, keyId, source } = await newReader()
    const expired = await ticketUrl(token, [source.id])
    await gateway.sql.query(`update stream_tickets set expires_at = now() - interval '1 ms'`)
    const ofRevoked = await ticketUrl(token, [source.id])
    expect((await openEventStream(expired)).response.status).toBe(401)
    await project.revoke(keyId)
    expect((await openEventStream(ofRevoked)).response.status).toBe(401)
    for (const ticket of ['', 'x', 'A'.repeat(43), '%00'])
      expect((await openEventStream(`${gateway.baseUrl}/stream?ticket=${ticket}`)).response.status).toBe(401)
  })

  test('tickets are only for sources that the key may use', async () => {
    const { project, source } = await newReader()
    const other = await project.source()
    const { token } = await project.key(['listen'], { sourceIds: [source.id] })
    const query = `mutation ($ids: [ID!]!) { createStreamTicket(input: { sourceIds: $ids }) {
      __typename ... on UserError { code path } } }`
    const foreign = await (await gateway.newProject()).source()
    const result = async (ids: readonly string[]) =>
      (await dataOf({ baseUrl: gateway.baseUrl, token }, query, { ids })).createStreamTicket
    const path = ['input', 'sourceIds']
    expect(await result([source.id, other.id])).toEqual({
      __typename: 'NotFoundError',
      code: 'NOT_FOUND',
      path: [...path, '1'],
    })
    expect(await result([foreign.id])).toMatchObject({ code: 'NOT_FOUND', path: [...path, '0'] })
    expect(await result([])).toEqual({ __typename: 'ValidationError', code: 'REQUIRED', path })
    expect(await result(Array(101).fill(source.id))).toMatchObject({ code: 'OUT_OF_RANGE', path })
  })

  test('a stream ends within a second when its key is revoked, and soon when it expires', async () => {
    const { project, keyId, open, source } = await newReader()
    const expiring = await project.key(['listen'], { expiresAt: new Date(Date.now() + 1_500) })
    const revoked = await open(`source=${source.name}`)
    const expired = await open(`source=${source.name}`, { authorization: `Bearer ${expiring.token}` })
    await revoked.next()
    await expired.next()
    const startMs = performance.now()
    await project.revoke(keyId)
    expect(await revoked.next()).toMatchObject({ type: 'end', data: { code: 'UNAUTHENTICATED' } })
    expect(await revoked.next()).toBeNull()
    expect(performance.now() - startMs).toBeLessThan(1_000)
    expect(await expired.next()).toMatchObject({ type: 'end', data: { code: 'UNAUTHENTICATED' } })
    expect(performance.now() - startMs).toBeLessThan(3_500)
  })

  test('pages of other origins may not, those on the list may', async () => {
    const { headers, source } = await newReader()
    const answer = async (origin: string, method = 'GET') => {
      const response = await fetch(`${gateway.baseUrl}/stream?source=${source.name}`, {
        method,
        headers: { ...headers, origin },
      })
      void response.body?.cancel()
      return [response.status, response.headers.get('access-control-allow-origin')]
    }
    expect(await answer('https://elsewhere.example')).toEqual([403, null])
    expect(await answer('null')).toEqual([403, null])
    expect(await answer('https://app.example')).toEqual([200, 'https://app.example'])
    expect(await answer('https://hooks.example')).toEqual([200, 'https://hooks.example'])
    expect(await answer(gateway.baseUrl)).toEqual([200, gateway.baseUrl])
    expect(await answer('https://app.example', 'OPTIONS')).toEqual([204, 'https://app.example'])
    expect(await answer('https://elsewhere.example', 'OPTIONS')).toEqual([403, null])
    const socketFrom = async (origin: string) => {
      const socket = new WebSocket(`${gateway.baseUrl.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
        origin,
      })
      // A socket that was refused, or is not open yet, tells of its end as an error.
      socket.on('error', () => undefined)
      onTestFinished(() => socket.terminate())
      return await new Promise((resolve) => {
        socket.once('unexpected-response', (_request, { statusCode }) => resolve(statusCode))
        socket.once('open', () => resolve('open'))
      })
    }
    expect(await socketFrom('https://app.example')).toBe('open')
    expect(await socketFrom('https://elsewhere.example')).toBe(403)
  })
})

test.each<[string, (source: string) => string, string]>([
  ['no source', () => '', '`source` is needed'],
  ['an empty source', () => 'source=', '`source` needs'],
  ['a NUL', () => 'source=a%00b', '`source` needs'],
  ['101 sources', () => Array.from({ length: 101 }, (_, n) => `source=s${n}`).join('&'), '100 times'],
  ['a parameter that there is not', (source) => `source=${source}&filters=x`, '"filters"'],
  ['a cursor that is garbage', (source) => `source=${source}&after=garbage`, '`after`'],
  ['an empty cursor', (source) => `source=${source}&after=`, '`after`'],
  ['two times', (source) => `source=${source}&since=2026-01-01T00:00:00Z&since=2026-01-01T00:00:00Z`, '`since` can'],
  ['a time that is none', (source) => `source=${source}&since=yesterday`, '`since` needs RFC 3339'],
  ['a time to come', (source) => `source=${source}&since=2999-01-01T00:00:00Z`, 'future'],
  ['a filter that is not JSON', (source) => `source=${source}&filter={`, '`filter`: This is not JSON'],
  ['a filter of another form', (source) => `source=${source}&filter={"types":"a"}`, '`filter.types`'],
  [
    'a filter with a test that there is not',
    (source) => `source=${source}&filter={"not":{"type":["a"]}}`,
    '`filter.not`',
  ],
  ['a filter with nothing in it', (source) => `source=${source}&filter={"all":[{"not":{}}]}`, '`filter.all.0.not`'],
  ['a filter out of bounds', (source) => `source=${source}&filter={"types":[]}`, '`filter.types`'],
  [
    'a filter that nests too deep',
    (source) => `source=${source}&filter=${'{"not":'.repeat(400)}{}${'}'.repeat(400)}`,
    '8 levels',
  ],
  ['a filter that is null', (source) => `source=${source}&filter=null`, '`filter`'],
])('%s is refused with 400', async (_name, query, detail) => {
  const { refusal, source } = await newReader()
  const problem = await refusal(query(source.name))
  expect(problem).toMatchObject({ status: 400, code: 'BAD_USER_INPUT' })
  expect(problem.detail).toContain(detail)
})

test('cursors of other projects and of the future are refused with 400, wherever they stand', async () => {
  const { project, open, refusal, source } = await newReader()
  const foreign = await newReader()
  const theirs = await foreign.open(`source=${foreign.source.name}`)
  await theirs.next()
  expect(await refusal(`source=${source.name}&after=${theirs.lastEventId()}`)).toMatchObject({ status: 400 })
  expect(await refusal(`source=${source.name}`, { 'last-event-id': theirs.lastEventId() })).toMatchObject({
    status: 400,
  })
  await record(project, source, ['1'])
  const ours = await open(`source=${source.name}`)
  await ours.next()
  await gateway.sql.query('update source_heads set last_sequence = 0 where source_id = $1', [source.id])
  expect(await refusal(`source=${source.name}&after=${ours.lastEventId()}`)).toMatchObject({ status: 400 })
})

test.each(['garbage', '"', 'ÿ', '1', 'x'.repeat(9_000)])('a Last-Event-ID of %s is refused with 400', async (id) => {
  const { refusal, source } = await newReader()
  const problem = await refusal(`source=${source.name}`, { 'last-event-id': id })
  expect(problem).toMatchObject({ status: 400, code: 'BAD_USER_INPUT' })
})

test('a stream has no head alone, and cannot be posted to', async () => {
  const { headers } = await newReader()
  expect((await fetch(`${gateway.baseUrl}/stream?source=x`, { method: 'HEAD', headers })).status).toBe(405)
  expect((await fetch(`${gateway.baseUrl}/stream?source=x`, { method: 'POST', headers })).status).toBe(405)
})

test('a stream ends when its source is deleted, and says so', async () => {
  const { open, project, source } = await newReader()
  const stream = await open(`source=${source.name}`)
  await stream.next()
  const { token } = await project.key(['manage'])
  await dataOf(
    { baseUrl: gateway.baseUrl, token },
    'mutation ($id: ID!) { deleteSource(input: { id: $id }) { __typename } }',
    { id: source.id },
  )
  expect(await stream.next()).toMatchObject({ type: 'end', data: { code: 'NOT_FOUND' } })
  expect(await stream.next()).toBeNull()
})

test('a project has as many streams as it may, of all kinds together', async () => {
  const small = await gatewayOfTest({ maxSubscriptions: 2 })
  const { token, open, refusal, source } = await newReader(['listen'], small)
  const other = await newReader(['listen'], small)
  const stream = await open(`source=${source.name}`)
  const target = { baseUrl: small.baseUrl, token }
  const graphql = overWebSocket(target, subscription, { sourceIds: [source.id] })
  await Promise.all([stream.next(), graphql.next()])
  expect(await refusal(`source=${source.name}`)).toMatchObject({ status: 429, code: 'LIMIT_REACHED' })
  const refused = overWebSocket(target, subscription, { sourceIds: [source.id] })
  expect((await refused.next()).errors[0].extensions.code).toBe('LIMIT_REACHED')
  expect((await other.open(`source=${other.source.name}`)).response.status).toBe(200)
  stream.close()
  await graphql.end()
  await until(async () => (await open(`source=${source.name}`)).response.status, 200)
  await until(async () => (await open(`source=${source.name}`)).response.status, 200)
  const events = overEventStream(target, subscription, { sourceIds: [source.id] })
  expect((await events.next()).errors[0].extensions.code).toBe('LIMIT_REACHED')
})

test('when the server stops, streams end and their readers are told when to come again', async () => {
  const own = await gatewayOfTest()
  const { open, source, keyId } = await newReader(['listen'], own)
  const stream = await open(`source=${source.name}`)
  await stream.next()
  const next = stream.next()
  own.streams.close()
  expect(await next).toBeNull()
  expect(stream.retryMs()).toBeGreaterThanOrEqual(1_000)
  expect(stream.retryMs()).toBeLessThanOrEqual(3_000)
  await until(() => own.accessLog.find(({ route }) => route === '/stream')?.endedBy, 'stopping')
  expect(own.accessLog.find(({ route }) => route === '/stream')).toMatchObject({
    keyId,
    projectId: source.projectId,
    sources: 1,
    events: 1,
    status: 200,
    outcome: 'answered',
  })
  expect(JSON.stringify(own.accessLog)).not.toContain(source.name)
})

describe('a slow reader', () => {
  const large = Buffer.alloc(2_000_000, 'x')

  test('who takes nothing is cut off, and the others are not held up', async () => {
    const own = await gatewayOfTest({ stalledMs: 500 })
    const { project, token, open, source } = await newReader(['listen'], own)
    const { hostname, port } = new URL(own.baseUrl)
    const socket = connect(Number(port), hostname)
    onTestFinished(() => void socket.destroy())
    socket.write(`GET /stream?source=${source.name} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n\r\n`)
    await once(socket, 'data')
    socket.pause()
    const live = await open(`source=${source.name}`)
    await live.next()
    for (let index = 0; index < 12; index += 1) {
      await project.message(source, { body: large })
      expect((await live.next())?.data.bodyBytes).toBe(large.length)
    }
    await until(() => own.accessLog.map(({ endedBy }) => endedBy), ['stalled'])
    expect(await own.connections()).toBe(1)
    await record(project, source, ['on'])
    expect(await textsOf(live, 1)).toEqual(['on'])
  })

  test('who takes large messages bit by bit gets them whole', async () => {
    const own = await gatewayOfTest({ stalledMs: 3_000, heartbeatMs: 20 })
    const { project, headers, source } = await newReader(['listen'], own)
    const way = await openNarrowWay(Number(new URL(own.baseUrl).port))
    onTestFinished(way.close)
    const stream = await openEventStream(`http://127.0.0.1:${way.port}/stream?source=${source.name}`, headers)
    await stream.next()
    const bodies = [9_000_000, 1_000_000].map((bytes) => Buffer.alloc(bytes, 0xff))
    for (const body of bodies) await project.message(source, { body })
    for (const body of bodies) {
      const event = await stream.next()
      expect(Buffer.from(event?.data.body, 'base64').equals(body)).toBe(true)
    }
  })

  test('whose key is revoked is cut off at once, also while it takes nothing', async () => {
    const own = await gatewayOfTest()
    const { project, token, keyId, source } = await newReader(['listen'], own)
    const { hostname, port } = new URL(own.baseUrl)
    const socket = connect(Number(port), hostname)
    onTestFinished(() => void socket.destroy())
    socket.write(`GET /stream?source=${source.name} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n\r\n`)
    await once(socket, 'data')
    socket.pause()
    for (let index = 0; index < 12; index += 1) await project.message(source, { body: large })
    await project.revoke(keyId)
    await until(() => own.accessLog.map(({ endedBy }) => endedBy), ['key-ended'], { timeoutMs: 2_000 })
  })
})

describe('with the clients that people have', () => {
  test('EventSource', async () => {
    const { project, token, source } = await newReader()
    const events = new EventSource(await ticketUrl(token, [source.id]))
    onTestFinished(() => events.close())
    const received: unknown[] = []
    for (const type of ['message', 'caught-up']) {
      events.addEventListener(type, (event) => {
        const { data, lastEventId } = event as MessageEvent
        received.push([type, JSON.parse(data).text, lastEventId === JSON.parse(data).cursor])
      })
    }
    await until(() => received.length, 1)
    await record(project, source, ['one', 'two'])
    await until(
      () => received,
      [
        ['caught-up', undefined, true],
        ['message', 'one', true],
        ['message', 'two', true],
      ],
    )
  })

  test('curl -N', async () => {
    const { project, token, source } = await newReader()
    await record(project, source, ['one'])
    const url = `${gateway.baseUrl}/stream?source=${source.name}&since=2026-01-01T00:00:00+01:00`
    const failure = await promisify(execFile)('curl', [
      '-sN',
      '-m',
      '1',
      '-H',
      `Authorization: Bearer ${token}`,
      url,
    ]).catch((error: { code: number; stdout: string }) => error)
    expect(failure).toMatchObject({ code: 28 })
    expect(failure.stdout).toMatch(
      /^retry: 2000\nid: [\w-]+\n\nid: [\w-]+\nevent: message\ndata: \{.*"text":"one".*\}\n\nid: /,
    )
  })
})
