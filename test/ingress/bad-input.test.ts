import { createHmac, randomUUID } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CreatedSource } from '../support/graphql-client.ts'
import { type IngressGateway, send, startIngressGateway } from './ingress-gateway.ts'

const secret = 'a secret'
let gateway: IngressGateway
let open: CreatedSource
let signed: CreatedSource

beforeAll(async () => {
  gateway = await startIngressGateway()
  open = await gateway.createSource({ name: 'open', maxBodyBytes: 600_000 })
  signed = await gateway.createSource({ name: 'signed', verification: { preset: { preset: 'GITHUB', secret } } })
})

afterAll(async () => {
  expect(gateway.process.output()).not.toContain('"level":"error"')
  await gateway.stop()
})

const signatureOf = (body: string | Buffer) => `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`

test('unknown, malformed and deleted addresses answer alike', async () => {
  const deleted = await gateway.createSource({ name: 'deleted' })
  await gateway.mutate('deleteSource', { id: deleted.id }, '__typename')
  const { baseUrl } = gateway.process
  const token = 'A'.repeat(43)
  const queue = `${baseUrl}/q/default`
  // A named queue is there for sources that verify alone.
  const named = [`${queue}/open`, `${queue}/absent`, `${queue}/%ff`, `${queue}/..%2fopen`, `${baseUrl}/q/absent/signed`]
  for (const url of [`${baseUrl}/in/${token}`, `${baseUrl}/in/x`, `${baseUrl}/in/%00`, deleted.ingressUrl, ...named]) {
    const { status, body } = await send(url, { body: '{}' })
    expect({ status, code: body.code, url }).toEqual({ status: 404, code: 'NOT_FOUND', url })
  }
})

test('a body over the limit is refused with 413, whether its size was announced or not', async () => {
  const large = Buffer.alloc(600_001)
  expect(await send(open.ingressUrl, { body: large })).toMatchObject({ status: 413, body: { code: 'BODY_TOO_LARGE' } })
  const chunked = new ReadableStream({
    pull(controller) {
      controller.enqueue(new Uint8Array(100_000))
    },
  })
  expect((await send(open.ingressUrl, { body: chunked, duplex: 'half' })).status).toBe(413)
  expect((await send(open.ingressUrl, { body: large.subarray(1) })).status).toBe(202)
})

test('a compressed body is refused with 415', async () => {
  const answer = await send(open.ingressUrl, { body: gzipSync('{}'), headers: { 'content-encoding': 'gzip' } })
  expect(answer).toMatchObject({ status: 415, body: { code: 'CONTENT_CODING_NOT_ACCEPTED' } })
})

test('methods without a meaning here are refused with 405 and those that have one are told', async () => {
  for (const method of ['OPTIONS', 'PUT', 'DELETE', 'PROPFIND']) {
    const answer = await send(open.ingressUrl, { method })
    expect(answer).toMatchObject({ status: 405, body: { code: 'METHOD_NOT_ALLOWED' } })
    expect(answer.headers.get('allow')).toBe('GET, POST')
  }
})

test.each([
  ['missing', undefined, 'SIGNATURE_MISSING'],
  ['empty', '', 'SIGNATURE_MISSING'],
  ['malformed', 'sha256=zz', 'SIGNATURE_MALFORMED'],
  ['of the old kind', 'sha1=0000000000000000000000000000000000000000', 'SIGNATURE_MALFORMED'],
  ['wrong', `sha256=${'0'.repeat(64)}`, 'SIGNATURE_WRONG'],
  ['over another body', signatureOf('other'), 'SIGNATURE_WRONG'],
  ['one of a thousand, the last', `${`sha256=${'0'.repeat(64)},`.repeat(100)}${signatureOf('{}')}`, 'SIGNATURE_WRONG'],
])('a signature that is %s is refused with 401', async (_, signature, code) => {
  const headers = signature === undefined ? {} : { 'x-hub-signature-256': signature }
  expect(await send(signed.ingressUrl, { body: '{}', headers })).toMatchObject({ status: 401, body: { code } })
})

test('of two signatures one valid one is enough', async () => {
  const headers = { 'x-hub-signature-256': `sha256=${'0'.repeat(64)}, ${signatureOf('{}')}` }
  expect((await send(signed.ingressUrl, { body: '{}', headers })).status).toBe(202)
})

const deep = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)

test.each<[string, Buffer]>([
  ['malformed JSON', Buffer.from('{"a":')],
  ['invalid UTF-8', Buffer.from([0x22, 0xc3, 0x28, 0x22])],
  ['a NUL byte', Buffer.from('{"a":"\u0000"}')],
  ['nested 100,000 deep', Buffer.from(deep(100_000))],
  ['nested 5,000 deep', Buffer.from(deep(5_000))],
  ['nothing at all', Buffer.alloc(0)],
])('%s with a good signature is stored byte for byte, and its parsed view is null', async (_, body) => {
  const headers = { 'x-hub-signature-256': signatureOf(body), 'content-type': 'application/json' }
  const answer = await send(signed.ingressUrl, { body: new Uint8Array(body), headers })
  expect(answer.status).toBe(202)
  const message = await gateway.readBack(answer.body.id)
  expect(message.body).toBe(body.toString('base64'))
  expect(message.json).toBeNull()
})

test.each<[string, string]>([
  ['a byte order mark', '\u{feff}{"a":1}'],
  ['an escaped NUL', '{"a":"\\u0000"}'],
  ['an escaped NUL in a name', '{"\\u0000":1}'],
  ['a lone surrogate', '{"a":"\\ud800"}'],
])('%s is stored byte for byte, and its parsed view is null', async (_, text) => {
  const answer = await send(open.ingressUrl, { body: text, headers: { 'content-type': 'application/json' } })
  expect(answer.status).toBe(202)
  const message = await gateway.readBack(answer.body.id)
  expect(Buffer.from(message.body, 'base64').toString()).toBe(text)
  expect(message.json).toBeNull()
})

test.each<[string, string]>([
  ['a number that no double holds', '[12345678901234567890, -0, 1e2]'],
  ['a number of a hundred thousand digits', `[${Array(20).fill('1e131071').join(',')}]`],
  ['repeated keys', '{"a":1,"a":2}'],
  ['a key that means something to JavaScript', '{"__proto__":{"polluted":true}}'],
])('%s is stored byte for byte', async (_, text) => {
  const answer = await send(open.ingressUrl, { body: text, headers: { 'content-type': 'application/json' } })
  expect(answer.status).toBe(202)
  const message = await gateway.readBack(answer.body.id)
  expect(Buffer.from(message.body, 'base64').toString()).toBe(text)
  expect(message.text).toBe(text)
  expect({}).not.toHaveProperty('polluted')
})

test('of a hundred concurrent requests with one delivery id one is stored, and all are accepted', async () => {
  const headers = {
    'x-hub-signature-256': signatureOf('{}'),
    'x-github-delivery': randomUUID(),
    'x-github-event': 'push',
  }
  const answers = await Promise.all(Array.from({ length: 100 }, () => send(signed.ingressUrl, { body: '{}', headers })))
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]))
  expect(new Set(answers.map(({ body }) => `${body.id} ${body.sequence}`)).size).toBe(1)
  expect(answers.filter(({ body }) => !body.duplicate)).toHaveLength(1)
  const message = await gateway.readBack(answers[0]?.body.id ?? '')
  expect(message.event).toEqual({ id: headers['x-github-delivery'], type: 'push' })
})

test('a GET is a message whose payload is its parameters; path and query are kept without the access token', async () => {
  const answer = await send(`${open.ingressUrl}/orders/7?a=1&a=2&access_token=secret&b=%C3%A9`, { method: 'GET' })
  expect(answer.status).toBe(202)
  expect(await gateway.readBack(answer.body.id)).toMatchObject({
    method: 'GET',
    path: '/orders/7',
    query: 'a=1&a=2&b=%C3%A9',
    body: '',
    json: { a: ['1', '2'], b: ['é'] },
  })
})
