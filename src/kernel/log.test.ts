import { expect, test } from 'vitest'
import { createLog } from './log.ts'

const ingressToken = 'Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE'
const apiKey = `hk_01hzy5m3xq8v9k2t7w4n6p0rsd_${ingressToken}`

function capture(log: (log: ReturnType<typeof createLog>) => void, isPretty = false): string {
  let text = ''
  log(createLog({ level: 'debug', isPretty, destination: { write: (line) => (text += line) } }))
  return text
}

test('a line is one JSON object with a readable level and time', () => {
  const line = JSON.parse(capture((log) => log.info({ sourceId: 'src_1', durationMs: 1.5 }, 'request')))
  expect(line).toMatchObject({ level: 'info', sourceId: 'src_1', durationMs: 1.5, msg: 'request' })
  expect(new Date(line.time).getTime()).toBeGreaterThan(Date.now() - 60_000)
})

test('on a terminal a line is readable text', () => {
  const text = capture((log) => log.warn({ sourceId: 'src_1' }, 'slow source'), true)
  expect(text).toContain('slow source')
  expect(() => JSON.parse(text)).toThrow()
})

test.each([
  'authorization',
  'Proxy-Authorization',
  'cookie',
  'set-cookie',
  'access_token',
  'token',
  'ingressToken',
  'secret',
  'signing_secrets',
  'password',
  'x-hub-signature-256',
  'webhook-signature',
  'apiKey',
])('a field named %s never shows its value, at no depth', (name) => {
  const text = capture((log) => {
    log.info({ [name]: 'hunter2', request: { headers: [{ [name]: 'hunter2' }] } }, 'm')
    log.child({ [name]: 'hunter2' }).info('m')
    log.error({ err: Object.assign(new Error('x'), { details: { [name]: 'hunter2' } }) }, 'm')
  })
  expect(text.match(/\[redacted\]/g)).toHaveLength(4)
  expect(text).not.toContain('hunter2')
})

test('ids and claims about secrets stay readable', () => {
  const line = JSON.parse(capture((log) => log.info({ apiKeyId: 'key_1', hasSecret: true, tokenCount: 3 }, 'm')))
  expect(line).toMatchObject({ apiKeyId: 'key_1', hasSecret: true, tokenCount: 3 })
})

test.each([
  ['an API key', apiKey, apiKey],
  ['a signing secret', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'MfKQ9r8'],
  ['a bearer token', 'Authorization: Bearer abcdefghijklmnop', 'abcdefghijklmnop'],
  ['a token in a query', '/graphql?access_token=abc.def&x=1', 'abc.def'],
  ['a token in an ingress URL', `http://localhost/in/${ingressToken}/x`, ingressToken],
  ['the password in a URL', 'connect postgres://me:hunter2@db failed', 'hunter2'],
])('%s is cut out of texts and errors', (_, text, secret) => {
  for (const isPretty of [false, true]) {
    const lines = capture((log) => {
      log.info({ note: text }, text)
      log.error({ err: new Error(text, { cause: new Error(text) }) }, 'failed')
    }, isPretty)
    expect(lines).toContain('[redacted]')
    expect(lines).not.toContain(secret)
  }
})

test('an object that contains itself is logged, not followed for ever', () => {
  const cycle: Record<string, unknown> = { name: 'a' }
  cycle.self = cycle
  expect(capture((log) => log.info({ cycle }, 'm'))).toContain('[too deep]')
})
