import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import WebSocket from 'ws'
import { dataOf } from '../graphql/client.ts'
import { type Gateway, startGateway } from '../graphql/gateway.ts'
import { openEventStream } from '../support/event-stream.ts'
import { newReader, record, textsOf, ticketUrl } from './stream-reader.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway({ allowedOrigins: ['https://app.example'] })
})
afterAll(() => gateway.close())

describe('who may stream', () => {
  test('nobody without a key that holds, has LISTEN, and may use the source', async () => {
    const { project, headers, refusal, source } = await newReader(gateway)
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
    const { project, token, source } = await newReader(gateway)
    const other = await project.source()
    const url = await ticketUrl(gateway, token, [source.id])
    const [first, second] = await Promise.all([openEventStream(url), openEventStream(url)])
    expect([first.response.status, second.response.status].sort()).toEqual([200, 401])
    const stream = first.response.status === 200 ? first : second
    expect(await stream.next()).toMatchObject({ type: 'caught-up', data: { source: { id: source.id } } })
    await record(project, source, ['one'])
    expect(await textsOf(stream, 1)).toEqual(['one'])
    expect((await openEventStream(url)).response.status).toBe(401)
    expect(
      (await openEventStream(`${await ticketUrl(gateway, token, [source.id])}&source=${other.name}`)).response.status,
    ).toBe(404)
    const both = await openEventStream(
      `${await ticketUrl(gateway, token, [source.id, other.id])}&after=${stream.lastEventId()}`,
    )
    expect(both.response.status).toBe(200)
    const [row] = await gateway.sql.query<{ count: number }>('select count(*)::int as count from stream_tickets')
    expect(row?.count).toBe(0)
  })

  test('a ticket ends after a minute, and with the key that asked for it', async () => {
    const { project, token, keyId, source } = await newReader(gateway)
    const expired = await ticketUrl(gateway, token, [source.id])
    await gateway.sql.query(`update stream_tickets set expires_at = now() - interval '1 ms'`)
    const ofRevoked = await ticketUrl(gateway, token, [source.id])
    expect((await openEventStream(expired)).response.status).toBe(401)
    await project.revoke(keyId)
    expect((await openEventStream(ofRevoked)).response.status).toBe(401)
    for (const ticket of ['', 'x', 'A'.repeat(43), '%00'])
      expect((await openEventStream(`${gateway.baseUrl}/stream?ticket=${ticket}`)).response.status).toBe(401)
  })

  test('a ticket opens nothing once its key may not use one of the sources any more', async () => {
    const { project, token, keyId, source } = await newReader(gateway)
    const other = await project.source()
    const urls = [await ticketUrl(gateway, token, [source.id]), await ticketUrl(gateway, token, [source.id, other.id])]
    const admin = await project.key(['admin'])
    await dataOf(
      { baseUrl: gateway.baseUrl, token: admin.token },
      'mutation ($input: UpdateApiKeyInput!) { updateApiKey(input: $input) { __typename } }',
      { input: { id: keyId, sourceIds: [other.id] } },
    )
    for (const url of urls) expect((await openEventStream(url)).response.status).toBe(404)
  })

  test('tickets are only for sources that the key may use', async () => {
    const { project, source } = await newReader(gateway)
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
    const { project, keyId, open, source } = await newReader(gateway)
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
    const { headers, source } = await newReader(gateway)
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
  const { refusal, source } = await newReader(gateway)
  const problem = await refusal(query(source.name))
  expect(problem).toMatchObject({ status: 400, code: 'BAD_USER_INPUT' })
  expect(problem.detail).toContain(detail)
})

test('cursors of other projects and of the future are refused with 400, wherever they stand', async () => {
  const { project, open, refusal, source } = await newReader(gateway)
  const foreign = await newReader(gateway)
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

test.each([
  ['garbage', 'garbage'],
  ['a quote', '"'],
  ['a letter of Latin-1', 'ÿ'],
  ['a number', '1'],
  ['9,000 letters', 'x'.repeat(9_000)],
])('%s as Last-Event-ID is refused with 400', async (_name, id) => {
  const { refusal, source } = await newReader(gateway)
  const problem = await refusal(`source=${source.name}`, { 'last-event-id': id })
  expect(problem).toMatchObject({ status: 400, code: 'BAD_USER_INPUT' })
})

test('a stream has no head alone, and cannot be posted to', async () => {
  const { headers } = await newReader(gateway)
  expect((await fetch(`${gateway.baseUrl}/stream?source=x`, { method: 'HEAD', headers })).status).toBe(405)
  expect((await fetch(`${gateway.baseUrl}/stream?source=x`, { method: 'POST', headers })).status).toBe(405)
})
