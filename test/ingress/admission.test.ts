import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type IngressGateway, send, startIngressGateway } from './ingress-gateway.ts'

let gateway: IngressGateway

beforeAll(async () => {
  gateway = await startIngressGateway({ TRUSTED_PROXIES: '127.0.0.1' })
})

afterAll(async () => {
  expect(gateway.process.output()).not.toContain('"level":"error"')
  await gateway.stop()
})

test('a source takes the methods that it names; others get 405 and the list, and its owner sees them', async () => {
  const source = await gateway.createSource({ name: 'put-only', allowedMethods: ['PUT', 'HEAD'] })
  expect((await send(source.ingressUrl, { method: 'PUT', body: '{}' })).status).toBe(202)
  expect(await send(source.ingressUrl, { method: 'HEAD' })).toMatchObject({ status: 202, text: '' })
  const refused = await send(source.ingressUrl, { method: 'POST', body: '{}' })
  expect(refused).toMatchObject({ status: 405, body: { code: 'METHOD_NOT_ALLOWED' } })
  expect(refused.headers.get('allow')).toBe('PUT, HEAD')
  expect(refused.headers.get('content-type')).toBe('application/problem+json')
  await gateway.latestRefusal(source.id, { reason: 'METHOD_NOT_ALLOWED', status: 405, method: 'POST', bodyBytes: 0 })
})

test.each<[string, Record<string, string>, number]>([
  ['an address of the network', { 'x-forwarded-for': '192.0.2.77' }, 202],
  ['the address itself', { 'x-forwarded-for': '2001:DB8:0::7' }, 202],
  ['such an address behind what the sender made up', { 'x-forwarded-for': '6.6.6.6, 192.0.2.77' }, 202],
  ['such an address, told by Forwarded', { forwarded: 'for="[2001:db8::7]:4711";proto=https' }, 202],
  ['another address', { 'x-forwarded-for': '192.0.3.1' }, 403],
  ['another address behind one of the network', { 'x-forwarded-for': '192.0.2.77, 192.0.3.1' }, 403],
  ['no address', { 'x-forwarded-for': 'unknown' }, 403],
  ['two headers that disagree', { 'x-forwarded-for': '192.0.2.77', forwarded: 'for=6.6.6.6' }, 403],
  ['the proxy itself', {}, 403],
])('a source with an address list answers %s so', async (name, headers, status) => {
  const source = await gateway.createSource({
    name: `list-${name.replaceAll(/\W+/g, '-').toLowerCase()}`,
    allowedNetworks: ['192.0.2.0/24', '2001:db8::7'],
  })
  const answer = await send(source.ingressUrl, { body: '{}', headers })
  expect(answer.status).toBe(status)
  if (status === 403) {
    expect(answer.body.code).toBe('ADDRESS_NOT_ALLOWED')
    await gateway.latestRefusal(source.id, { reason: 'ADDRESS_NOT_ALLOWED', status: 403 })
  }
})

test.each<[string, Record<string, string>]>([
  ['says another thing in the other header', { 'x-forwarded-for': '192.0.2.7', forwarded: 'for=198.51.100.1' }],
  ['makes the header unreadable', { forwarded: 'for=192.0.2.7;x=", for="[2001:db8::1]"' }],
  ['leaves no address behind', { 'x-forwarded-for': 'unknown' }],
])('a sender that %s is not taken for the proxy, though its network is allowed', async (name, headers) => {
  const source = await gateway.createSource({
    name: `from-proxy-${name.replaceAll(/\W+/g, '-')}`,
    allowedNetworks: ['127.0.0.0/8'],
  })
  expect((await send(source.ingressUrl, { body: '{}' })).status).toBe(202)
  expect((await send(source.ingressUrl, { body: '{}', headers })).status).toBe(403)
})

test('the address that proxies tell is kept with the message', async () => {
  const source = await gateway.createSource({ name: 'behind-proxy' })
  const headers = { 'x-forwarded-for': '192.0.2.1:4711' }
  const { body } = await send(source.ingressUrl, { body: '{}', headers })
  expect((await gateway.readBack(body.id)).remoteAddress).toBe('192.0.2.1')
})

test('requests over the rate get 429 with when to come again, and accepted ones are told what is left', async () => {
  const source = await gateway.createSource({ name: 'limited', rateLimit: { count: 2, windowMs: 3_600_000 } })
  const first = await send(source.ingressUrl, { body: '{}' })
  expect(first.headers.get('ratelimit-policy')).toBe('"source";q=2;w=3600')
  expect(first.headers.get('ratelimit')).toBe('"source";r=1;t=3600')
  await send(source.ingressUrl, { body: '{}' })
  const refused = await send(source.ingressUrl, { body: '{}' })
  expect(refused).toMatchObject({ status: 429, body: { code: 'RATE_LIMITED' } })
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3_500)
  expect(refused.headers.get('ratelimit')).toMatch(/^"source";r=0;t=3\d{3}$/)
  await gateway.latestRefusal(source.id, { reason: 'RATE_LIMITED', status: 429 })
  await gateway.mutate('updateSource', { id: source.id, rateLimit: { count: 5, windowMs: 3_600_000 } }, '__typename')
  expect((await send(source.ingressUrl, { body: '{}' })).status).toBe(202)
})

test('a source that demands JSON refuses what is none', async () => {
  const source = await gateway.createSource({ name: 'json-only', requiresJson: true })
  for (const body of ['', '{"a":', '\u{feff}{}', 'text', '['.repeat(100_000)])
    expect(await send(source.ingressUrl, { body })).toMatchObject({ status: 400, body: { code: 'BODY_NOT_JSON' } })
  await gateway.latestRefusal(source.id, { reason: 'BODY_MALFORMED', status: 400, bodyBytes: 100_000 })
  for (const body of ['{}', 'null', '12345678901234567890'])
    expect((await send(source.ingressUrl, { body })).status).toBe(202)
  expect((await send(`${source.ingressUrl}?a=1`, { method: 'GET' })).status).toBe(202)
})

test('a declared CloudEvent says what a message is; one that is invalid, or a batch, is refused', async () => {
  const source = await gateway.createSource({ name: 'events' })
  const headers = { 'content-type': 'application/cloudevents+json' }
  const event = { specversion: '1.0', id: 'e1', source: '/shop', type: 'order.paid' }
  const { body } = await send(source.ingressUrl, { body: JSON.stringify(event), headers })
  const message = await gateway.readBack(body.id)
  expect(message).toMatchObject({ text: JSON.stringify(event), event: { id: 'e1', type: 'order.paid' } })
  const otherSource = await send(source.ingressUrl, { body: JSON.stringify({ ...event, source: '/other' }), headers })
  expect(otherSource.body.duplicate).toBe(false)
  const newer = await send(source.ingressUrl, { body: JSON.stringify({ ...event, specversion: '1.1' }), headers })
  expect(newer).toMatchObject({ status: 400, body: { code: 'EVENT_MALFORMED' } })
  await gateway.latestRefusal(source.id, { reason: 'BODY_MALFORMED', status: 400 })
  const batch = { 'content-type': 'application/cloudevents-batch+json' }
  const refused = await send(source.ingressUrl, { body: JSON.stringify([event]), headers: batch })
  expect(refused).toMatchObject({ status: 415, body: { code: 'FORMAT_NOT_ACCEPTED' } })
  expect(refused.body.detail).toContain('/events')
})

test('a named queue takes what is verified, under its path, and tells no secret', async () => {
  const secret = 'a secret'
  await gateway.createSource({ name: 'github', verification: { preset: { preset: 'GITHUB', secret } } })
  const url = `${gateway.process.baseUrl}/q/default/github`
  const signature = `sha256=${createHmac('sha256', secret).update('{}').digest('hex')}`
  const accepted = await send(`${url}/a%2Fb?c=d`, { body: '{}', headers: { 'x-hub-signature-256': signature } })
  expect(accepted.status).toBe(202)
  expect(await gateway.readBack(accepted.body.id)).toMatchObject({ path: '/a%2Fb', query: 'c=d' })
  expect((await send(`${gateway.process.baseUrl}/q/d%65fault/githu%62`, { body: '{}' })).status).toBe(401)
})

test('a wrong signature is shown to the owner, but not in full', async () => {
  const verification = { preset: { preset: 'GITHUB', secret: 'a secret' } }
  const source = await gateway.createSource({ name: 'wrongly-signed', verification })
  const headers = { 'x-hub-signature-256': `sha256=${'ab'.repeat(32)}` }
  expect((await send(source.ingressUrl, { body: '{}', headers })).status).toBe(401)
  await gateway.latestRefusal(source.id, { reason: 'CREDENTIAL_WRONG', status: 401, bodyBytes: 2 })
  const query = `query ($id: ID!) { source(by: { id: $id }) { refusals(first: 1) { edges { node { signature } } } } }`
  const text = JSON.stringify(await gateway.query(query, { id: source.id }))
  expect(text).toContain('sha256=abab')
  expect(text).not.toContain('ababab')
})

test('the credential that a source checks is not stored, and other headers are', async () => {
  const value = 'a key that nobody may see'
  const source = await gateway.createSource({
    name: 'with-key',
    verification: { apiKey: { header: 'X-Shop-Key', value } },
  })
  const headers = { 'x-shop-key': value, authorization: 'kept' }
  const { body } = await send(`${source.ingressUrl}?access%5Ftoken=hidden&a=1`, { body: '{}', headers })
  const message = await gateway.readBack(body.id)
  const stored = new Map(message.headers.map((header) => [header.name.toLowerCase(), header.value]))
  expect(stored.get('x-shop-key')).toBe('[redacted]')
  expect(stored.get('authorization')).toBe('kept')
  expect(message.query).toBe('a=1')
})

test('a source answers accepted requests as its owner wishes, duplicates too, and refuses as ever', async () => {
  const source = await gateway.createSource({
    name: 'own-answer',
    allowedMethods: ['POST', 'HEAD'],
    maxBodyBytes: 10,
    mapping: { id: { header: 'X-Event-Id' } },
    acceptedResponse: {
      status: 201,
      headers: [
        { name: 'X-Own', value: 'a' },
        { name: 'X-Own', value: 'b' },
        { name: 'Content-Type', value: 'text/xml' },
      ],
      body: '<ok>é</ok>',
    },
  })
  for (const _ of ['first', 'duplicate']) {
    const answer = await send(source.ingressUrl, { body: '{}', headers: { 'x-event-id': '1' } })
    expect(answer).toMatchObject({ status: 201, text: '<ok>é</ok>' })
    expect(answer.headers.get('x-own')).toBe('a, b')
    expect(answer.headers.get('content-type')).toBe('text/xml')
    expect(answer.headers.get('x-request-id')).toMatch(/^req_/)
  }
  expect(await gateway.countMessages(source.id)).toBe(1)
  expect(await send(source.ingressUrl, { method: 'HEAD' })).toMatchObject({ status: 201, text: '' })
  expect(await send(source.ingressUrl, { body: 'x'.repeat(11) })).toMatchObject({
    status: 413,
    body: { code: 'BODY_TOO_LARGE' },
  })
})

test('an answer of the owner without a body has none', async () => {
  const acceptedResponse = { status: 204, headers: [], body: '' }
  const source = await gateway.createSource({ name: 'no-content', acceptedResponse })
  const answer = await send(source.ingressUrl, { body: '{}' })
  expect(answer).toMatchObject({ status: 204, text: '' })
  expect(answer.headers.get('content-length')).toBeNull()
})
