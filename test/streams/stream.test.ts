import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dataOf, overEventStream, overWebSocket } from '../graphql/client.ts'
import { type Gateway, gatewayOfTest, startGateway } from '../graphql/gateway.ts'
import { until } from '../support/until.ts'
import { newReader, record, textsOf } from './stream-reader.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway({ heartbeatMs: 200 })
})
afterAll(() => gateway.close())

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
    const { project, token, open, source } = await newReader(gateway)
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
    const { project, open, source } = await newReader(gateway)
    const stream = await open(`source=${source.id}&source=${source.name}`)
    expect(await stream.next()).toMatchObject({ type: 'caught-up' })
    const next = stream.next()
    await until(() => stream.comments() >= 3, true, { timeoutMs: 5_000 })
    await record(project, source, ['one'])
    expect((await next)?.data.text).toBe('one')
  })

  test('what a filter lets through, and how far the reader has come', async () => {
    const { project, open, source } = await newReader(gateway)
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
    const { project, open, source } = await newReader(gateway)
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
    const { project, open, source } = await newReader(gateway)
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
    const { project, open, source } = await newReader(gateway)
    const first = await open(`source=${source.name}`)
    await first.next()
    const begin = first.lastEventId()
    await record(project, source, ['1', '2'])
    await textsOf(first, 1)
    const again = await open(`source=${source.name}&after=${begin}`, { 'last-event-id': first.lastEventId() })
    expect(await textsOf(again, 1)).toEqual(['2'])
  })

  test('misses nothing even when its connection broke before the first event', async () => {
    const { project, open, source } = await newReader(gateway)
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
    const { project, token, open, source } = await newReader(gateway)
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

test('a stream ends when its source is deleted, and says so', async () => {
  const { open, project, source } = await newReader(gateway)
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
  const { token, open, refusal, source } = await newReader(small)
  const other = await newReader(small)
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
  const { open, source, keyId } = await newReader(own)
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
