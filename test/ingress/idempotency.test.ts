import { afterAll, beforeAll, expect, test } from 'vitest'
import { exchangeBytes } from '../http/start-server.ts'
import type { CreatedSource } from '../support/graphql-client.ts'
import { type Answer, type IngressGateway, send, startIngressGateway } from './ingress-gateway.ts'

let gateway: IngressGateway
let source: CreatedSource

beforeAll(async () => {
  gateway = await startIngressGateway()
  source = await gateway.createSource({ name: 'orders', mapping: { id: { pointer: '/id' } } })
})

afterAll(async () => {
  expect(gateway.process.output()).not.toContain('"level":"error"')
  await gateway.stop()
})

let keys = 0
const newKey = () => `key-${++keys}`

function sendKeyed(key: string, body = '{}', url = source.ingressUrl): Promise<Answer> {
  return send(url, { body, headers: { 'idempotency-key': key } })
}

test('a repeated key with the same body is answered as the first time, and nothing is stored', async () => {
  const key = newKey()
  const first = await sendKeyed(key, '{"a":1}')
  const again = await sendKeyed(`"${key}"`, '{"a":1}')
  expect([first.status, again.status]).toEqual([202, 202])
  expect(again.text).toBe(first.text)
  expect(first.body.duplicate).toBe(false)
  expect(first.headers.get('idempotent-replayed')).toBeNull()
  expect(again.headers.get('idempotent-replayed')).toBe('true')
  const next = await sendKeyed(newKey(), '{"a":1}')
  expect(next.body.sequence).toBe(first.body.sequence + 1)
})

test('a repeated key with another body is refused with 422, and the owner of the source can see it', async () => {
  const key = newKey()
  await sendKeyed(key, '{"a":1}')
  expect(await sendKeyed(key, '{"a":2}')).toMatchObject({ status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } })
  await gateway.latestRefusal(source.id, { reason: 'IDEMPOTENCY_KEY', status: 422, method: 'POST', bodyBytes: 7 })
})

test('what a GET is compared by is its query', async () => {
  const headers = { 'idempotency-key': newKey() }
  const get = (query: string) => send(`${source.ingressUrl}?${query}`, { method: 'GET', headers })
  const first = await get('a=1')
  expect((await get('a=1')).text).toBe(first.text)
  expect((await get('a=2')).status).toBe(422)
})

test('keys of two sources do not meet', async () => {
  const other = await gateway.createSource({ name: 'other-orders' })
  const key = newKey()
  const [first, second] = [await sendKeyed(key, '1'), await sendKeyed(key, '2', other.ingressUrl)]
  expect([first.status, second.status]).toEqual([202, 202])
  expect(second.body.id).not.toBe(first.body.id)
})

test('of a hundred concurrent requests with one key one is stored, and all get the same answer', async () => {
  const key = newKey()
  const answers = await Promise.all(Array.from({ length: 100 }, () => sendKeyed(key)))
  expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1)
  expect(answers.filter(({ headers }) => headers.get('idempotent-replayed') === null)).toHaveLength(1)
})

test('of a hundred concurrent requests with one key and other bodies one is stored, and the others are refused', async () => {
  const key = newKey()
  const answers = await Promise.all(Array.from({ length: 100 }, (_, place) => sendKeyed(key, String(place))))
  expect(answers.filter(({ status }) => status === 202)).toHaveLength(1)
  expect(answers.filter(({ status }) => status === 422)).toHaveLength(99)
})

test("a repeated event is answered 202 with the first message's id, whatever its body", async () => {
  const first = await send(source.ingressUrl, { body: '{"id":"evt-1"}' })
  const again = await send(source.ingressUrl, { body: '{"id":"evt-1","retry":true}' })
  expect(again).toMatchObject({ status: 202, body: { ...first.body, duplicate: true } })
  expect(again.headers.get('idempotent-replayed')).toBeNull()
})

test('a request with a key and an event id is known by its key alone', async () => {
  const body = '{"id":"evt-2"}'
  const first = await sendKeyed(newKey(), body)
  const second = await sendKeyed(newKey(), body)
  expect(second.body).toMatchObject({ duplicate: false, sequence: first.body.sequence + 1 })
})

test('an event id as long as a page keeps a second message out as well', async () => {
  const body = JSON.stringify({ id: 'i'.repeat(1_024) })
  expect((await send(source.ingressUrl, { body })).body.duplicate).toBe(false)
  expect((await send(source.ingressUrl, { body })).body.duplicate).toBe(true)
})

test('a source that takes duplicates stores each', async () => {
  const mapping = { id: { header: 'X-Event' } }
  const twice = await gateway.createSource({ name: 'twice', mapping, duplicateWindowMs: 0 })
  const answers = [1, 2].map(() => send(twice.ingressUrl, { body: '{}', headers: { 'x-event': '1' } }))
  expect((await Promise.all(answers)).map(({ body }) => body.duplicate)).toEqual([false, false])
})

const post = (fields: string[]) => {
  const path = new URL(source.ingressUrl).pathname
  const lines = [`POST ${path} HTTP/1.1`, 'Host: a', 'Connection: close', 'Content-Length: 2', ...fields, '', '{}']
  return exchangeBytes(gateway.port, lines.join('\r\n'))
}

test.each<[string, string[]]>([
  ['quoted', ['Idempotency-Key: "8e03978e-40d5-43e8-bc93-6894a57f9324"']],
  ['bare', ['idempotency-key: 8e03978e-40d5-43e8-bc93-6894a57f9325']],
  ['of 256 characters', [`Idempotency-Key: ${'k'.repeat(256)}`]],
  ['of 256 characters in quotes', [`Idempotency-Key: "${'q'.repeat(256)}"`]],
])('a key that is %s is accepted', async (_, fields) => {
  expect(await post(fields)).toMatch(/^HTTP\/1.1 202 /)
})

test.each<[string, string[], string]>([
  ['of 257 characters', [`Idempotency-Key: ${'k'.repeat(257)}`], 'IDEMPOTENCY_KEY_MALFORMED'],
  ['of 257 characters in quotes', [`Idempotency-Key: "${'k'.repeat(257)}"`], 'IDEMPOTENCY_KEY_MALFORMED'],
  ['sent twice', ['Idempotency-Key: a', 'Idempotency-Key: a'], 'IDEMPOTENCY_KEY_MALFORMED'],
  ['empty', ['Idempotency-Key:'], 'IDEMPOTENCY_KEY_MALFORMED'],
  ['half quoted', ['Idempotency-Key: "a'], 'IDEMPOTENCY_KEY_MALFORMED'],
  ['with a tab', ['Idempotency-Key: a\tb'], 'IDEMPOTENCY_KEY_MALFORMED'],
  ['with a control character', ['Idempotency-Key: a\u0001b'], 'MALFORMED_REQUEST'],
  ['with a NUL', ['Idempotency-Key: a\0b'], 'MALFORMED_REQUEST'],
  ['not ASCII', ['Idempotency-Key: \u00c3\u00a9'], 'IDEMPOTENCY_KEY_MALFORMED'],
])('a key that is %s is refused with 400', async (_, fields, code) => {
  const answer = await post(fields)
  expect(answer).toMatch(/^HTTP\/1.1 400 /)
  expect(answer).toContain(`"code":"${code}"`)
})
