import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { exchangeBytes } from '../http/start-server.ts'
import type { CreatedSource } from '../support/graphql-client.ts'
import { type IngressGateway, send, startIngressGateway } from './ingress-gateway.ts'

// What no HTTP client would send, at the address of a source and at a named one.

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
let gateway: IngressGateway
let open: CreatedSource
let stripe: CreatedSource
let standard: CreatedSource

beforeAll(async () => {
  gateway = await startIngressGateway()
  open = await gateway.createSource({ name: 'open', maxBodyBytes: 10 })
  const preset = (name: string) => ({ verification: { preset: { preset: name, secret } } })
  stripe = await gateway.createSource({ name: 'stripe', ...preset('STRIPE') })
  standard = await gateway.createSource({ name: 'standard', ...preset('STANDARD_WEBHOOKS') })
})

afterAll(async () => {
  expect(gateway.process.output()).not.toContain('"level":"error"')
  await gateway.stop()
})

const pathOf = (source: CreatedSource) => new URL(source.ingressUrl).pathname
const post = (fields: string[], body = '{}', path = pathOf(open)) =>
  exchangeBytes(
    gateway.port,
    [`POST ${path} HTTP/1.1`, 'Host: a', 'Connection: close', ...fields, '', body].join('\r\n'),
  )

const length = 'Content-Length: 2'
const chunked = 'Transfer-Encoding: chunked'

test.each<[string, string[], string, number, string]>([
  ['Content-Length with Transfer-Encoding', [length, chunked], '2\r\n{}\r\n0\r\n\r\n', 400, 'MALFORMED_REQUEST'],
  ['Transfer-Encoding with Content-Length', [chunked, length], '2\r\n{}\r\n0\r\n\r\n', 400, 'MALFORMED_REQUEST'],
  ['two Content-Lengths', [length, 'Content-Length: 3'], '{} ', 400, 'MALFORMED_REQUEST'],
  ['the same Content-Length twice', [length, length], '{}', 400, 'MALFORMED_REQUEST'],
  ['a Content-Length that is no number', ['Content-Length: 2a'], '{}', 400, 'MALFORMED_REQUEST'],
  ['a negative Content-Length', ['Content-Length: -2'], '{}', 400, 'MALFORMED_REQUEST'],
  ['two Hosts', ['Host: b', length], '{}', 400, 'DUPLICATE_HEADER'],
  ['two Content-Types', ['Content-Type: a/b', 'content-type: c/d', length], '{}', 400, 'DUPLICATE_HEADER'],
  ['20 kB of headers', [`X-Long: ${'x'.repeat(20_000)}`, length], '{}', 431, 'HEADERS_TOO_LARGE'],
  ['an unknown expectation', ['Expect: foo', length], '{}', 417, 'EXPECTATION_FAILED'],
  ['a chunk that has no length', [chunked], 'zz\r\n{}\r\n0\r\n\r\n', 400, 'MALFORMED_REQUEST'],
  ['a body over the limit, announced', ['Content-Length: 11'], '12345678901', 413, 'BODY_TOO_LARGE'],
  ['a body over the limit, announced alone', ['Content-Length: 99999999999'], '', 413, 'BODY_TOO_LARGE'],
  ['a body over the limit in chunks', [chunked], 'b\r\n12345678901\r\n0\r\n\r\n', 413, 'BODY_TOO_LARGE'],
  ['a body over the limit in one-byte chunks', [chunked], '1\r\nx\r\n'.repeat(11), 413, 'BODY_TOO_LARGE'],
  ['gzip that is whole', ['Content-Encoding: gzip', length], '{}', 415, 'CONTENT_CODING_NOT_ACCEPTED'],
  ['two codings', ['Content-Encoding: identity, gzip', length], '{}', 415, 'CONTENT_CODING_NOT_ACCEPTED'],
])('%s is refused, and nothing is stored', async (_, fields, body, status, code) => {
  const answer = await post(fields, body)
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  expect(answer).toContain(`"code":"${code}"`)
  expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1)
  expect(await gateway.countMessages(open.id)).toBe(0)
})

test.each<[string, string, number, string, string | null]>([
  ['a method that nobody knows', 'FOO', 400, 'UNKNOWN_METHOD', null],
  ['a method in lower case', 'post', 400, 'UNKNOWN_METHOD', null],
  ['TRACE', 'TRACE', 405, 'METHOD_NOT_ALLOWED', 'GET, POST'],
  ['HEAD where it is not allowed', 'HEAD', 405, '', 'GET, POST'],
])('%s is refused', async (_, method, status, code, allow) => {
  const answer = await exchangeBytes(
    gateway.port,
    `${method} ${pathOf(open)} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
  )
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  expect(answer).toContain(code)
  if (allow !== null) expect(answer).toMatch(new RegExp(`^allow: ${allow}\r$`, 'im'))
})

test('an address of 20 kB is refused with 431', async () => {
  expect(await post([length], '{}', `${pathOf(open)}/${'x'.repeat(20_000)}`)).toMatch(/^HTTP\/1.1 431 /)
})

test('paused, deleted and unknown addresses get one answer, to the byte', async () => {
  const paused = await gateway.createSource({ name: 'paused' })
  await gateway.mutate('updateSource', { id: paused.id, isPaused: true }, '__typename')
  const deleted = await gateway.createSource({ name: 'gone' })
  await gateway.mutate('deleteSource', { id: deleted.id }, '__typename')
  const answers: string[] = []
  for (const path of [pathOf(paused), pathOf(deleted), `/in/${'A'.repeat(43)}`, '/q/default/open', '/q/default/none']) {
    const answer = await post([length], '{}', path)
    answers.push(answer.replaceAll(/req_\w+/g, 'req').replace(/^date: .*$/im, ''))
  }
  expect(answers[0]).toMatch(/^HTTP\/1.1 404 .*"code":"NOT_FOUND"/s)
  expect(new Set(answers).size).toBe(1)
})

const stripeHeader = (time: string, body = '{}') =>
  `t=${time},v1=${createHmac('sha256', secret).update(`${time}.${body}`).digest('hex')}`
const nowSeconds = () => Math.floor(Date.now() / 1_000)

test.each<[string, () => string, number]>([
  ['now', () => String(nowSeconds()), 202],
  ['almost too old', () => String(nowSeconds() - 290), 202],
  ['too old', () => String(nowSeconds() - 310), 401],
  ['too far ahead', () => String(nowSeconds() + 310), 401],
  ['of another year', () => '1614265330', 401],
  ['with letters behind', () => `${nowSeconds()}abc`, 401],
  ['in exponents', () => '1e9', 401],
  ['negative', () => `-${nowSeconds()}`, 401],
  ['with a plus', () => `+${nowSeconds()}`, 401],
  ['a fraction', () => `${nowSeconds()}.5`, 401],
  ['in milliseconds', () => String(Date.now()), 401],
  ['hexadecimal', () => `0x${nowSeconds().toString(16)}`, 401],
  ['empty', () => '', 401],
  ['longer than any number', () => '9'.repeat(400), 401],
])('a good signature whose time is %s is judged by its time', async (_, timeOf, status) => {
  const answer = await send(stripe.ingressUrl, { body: '{}', headers: { 'stripe-signature': stripeHeader(timeOf()) } })
  expect(answer.status).toBe(status)
})

const standardKey = Buffer.from(secret.slice('whsec_'.length), 'base64')
const wrong = `v1,${'A'.repeat(43)}=`
let ids = 0

test.each<[string, (valid: string) => string, number]>([
  ['the valid one alone', (valid) => valid, 202],
  ['a wrong one and the valid one', (valid) => `${wrong} ${valid}`, 202],
  ['a thousand that are none and the valid one', (valid) => `${'v1,AAAA '.repeat(1_000)}${valid}`, 202],
  ['300 wrong ones and the valid one', (valid) => `${`${wrong} `.repeat(300)}${valid}`, 401],
  ['a thousand wrong ones', () => Array(1_000).fill('v1,').join(' '), 401],
  ['none', () => '', 401],
])('a header with %s is read within its bounds', async (_, headerOf, status) => {
  ids += 1
  const [id, time] = [`msg_${ids}`, String(nowSeconds())]
  const valid = `v1,${createHmac('sha256', standardKey).update(`${id}.${time}.{}`).digest('base64')}`
  const fields = [`webhook-id: ${id}`, `webhook-timestamp: ${time}`, `webhook-signature: ${headerOf(valid)}`, length]
  expect(await post(fields, '{}', pathOf(standard))).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
})

test('a provider’s repetition gets 202 with the first message, whatever its body and signature are now', async () => {
  const sendAgain = async (body: string) => {
    const time = String(nowSeconds())
    const signature = createHmac('sha256', standardKey).update(`msg_again.${time}.${body}`).digest('base64')
    const headers = { 'webhook-id': 'msg_again', 'webhook-timestamp': time, 'webhook-signature': `v1,${signature}` }
    return await send(standard.ingressUrl, { body, headers })
  }
  const first = await sendAgain('{}')
  expect(first).toMatchObject({ status: 202, body: { duplicate: false } })
  expect(await sendAgain('{"retry":1}')).toMatchObject({ status: 202, body: { ...first.body, duplicate: true } })
})
