import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type IngressGateway, send, startIngressGateway } from './ingress-gateway.ts'

const secret = 'a secret'
let gateway: IngressGateway

beforeAll(async () => {
  gateway = await startIngressGateway()
})

afterAll(async () => {
  expect(gateway.process.output()).not.toContain('"level":"error"')
  await gateway.stop()
})

const ofPreset = (preset: string, options: Record<string, unknown> = {}) => ({
  name: preset.toLowerCase().replaceAll('_', '-'),
  verification: { preset: { preset, secret, ...options } },
  allowedMethods: ['POST'],
})

test('a CloudEvents sender is told that it may send, how often and by what methods', async () => {
  const source = await gateway.createSource({ name: 'asked', rateLimit: { count: 30, windowMs: 15_000 } })
  const headers = { 'webhook-request-origin': 'eventemitter.example.com', 'webhook-request-rate': '500' }
  const answer = await send(source.ingressUrl, { method: 'OPTIONS', headers })
  expect(answer).toMatchObject({ status: 200, text: '' })
  expect(answer.headers.get('webhook-allowed-origin')).toBe('eventemitter.example.com')
  expect(answer.headers.get('webhook-allowed-rate')).toBe('120')
  expect(answer.headers.get('allow')).toBe('GET, POST')
  await gateway.mutate('updateSource', { id: source.id, rateLimit: null }, '__typename')
  const unlimited = await send(source.ingressUrl, { method: 'OPTIONS', headers })
  expect(unlimited.headers.get('webhook-allowed-rate')).toBe('*')
  expect(await gateway.countMessages(source.id)).toBe(0)
})

test.each([['no host'], ['"><script>'], ['h'.repeat(254)]])('an origin such as %s is not repeated', async (origin) => {
  const source = await gateway.createSource({ name: `odd-${origin.length}` })
  const answer = await send(source.ingressUrl, { method: 'OPTIONS', headers: { 'webhook-request-origin': origin } })
  expect(answer).toMatchObject({ status: 400, body: { code: 'WEBHOOK_ORIGIN_MALFORMED' } })
  expect(answer.headers.get('webhook-allowed-origin')).toBeNull()
})

test('Meta and Dropbox are answered by GET, also where messages come by POST alone; nothing is stored', async () => {
  const meta = await gateway.createSource(ofPreset('META', { verifyToken: 'agreed' }))
  const subscribe = (token: string) =>
    send(`${meta.ingressUrl}?hub.mode=subscribe&hub.verify_token=${token}&hub.challenge=1158201444`, { method: 'GET' })
  expect(await subscribe('agreed')).toMatchObject({ status: 200, text: '1158201444' })
  expect((await subscribe('guessed')).status).toBe(403)
  await gateway.latestRefusal(meta.id, { reason: 'CREDENTIAL_WRONG', status: 403, method: 'GET' })

  const dropbox = await gateway.createSource(ofPreset('DROPBOX'))
  const echoed = await send(`${dropbox.ingressUrl}?challenge=%3Cb%3Eabc`, { method: 'GET' })
  expect(echoed).toMatchObject({ status: 200, text: '<b>abc' })
  expect(echoed.headers.get('content-type')).toMatch(/^text\/plain/)
  expect(echoed.headers.get('x-content-type-options')).toBe('nosniff')
  expect(await gateway.countMessages(meta.id)).toBe(0)
  expect(await gateway.countMessages(dropbox.id)).toBe(0)
})

test('a GET that is no question is refused where messages come by POST alone', async () => {
  const github = await gateway.createSource(ofPreset('GITHUB'))
  const signature = `sha256=${createHmac('sha256', secret).update('').digest('hex')}`
  for (const headers of [{}, { 'x-hub-signature-256': signature }])
    expect((await send(`${github.ingressUrl}?challenge=a`, { method: 'GET', headers })).status).toBe(405)
})

test('Microsoft Graph gets its token back, and Slack its challenge where the signature holds', async () => {
  const graph = await gateway.createSource(ofPreset('MICROSOFT_GRAPH'))
  const validated = await send(`${graph.ingressUrl}?validationToken=Validation%3A%20Testing%20%2B`, { body: '' })
  expect(validated).toMatchObject({ status: 200, text: 'Validation: Testing +' })

  const slack = await gateway.createSource(ofPreset('SLACK'))
  const body = JSON.stringify({ type: 'url_verification', challenge: '3eZbrw1aB10FEMAGAZd4FyFQ' })
  const timestamp = String(Math.floor(Date.now() / 1_000))
  const signature = `v0=${createHmac('sha256', secret).update(`v0:${timestamp}:${body}`).digest('hex')}`
  const headers = { 'x-slack-request-timestamp': timestamp, 'x-slack-signature': signature }
  expect(await send(slack.ingressUrl, { body, headers })).toMatchObject({
    status: 200,
    text: '3eZbrw1aB10FEMAGAZd4FyFQ',
  })
  expect((await send(slack.ingressUrl, { body })).status).toBe(401)
  expect(await gateway.countMessages(slack.id)).toBe(0)
})

test('the address that Twilio signs is the one under which the gateway is reached', async () => {
  const twilio = await gateway.createSource(ofPreset('TWILIO'))
  const url = `${twilio.ingressUrl}/sms?foo=1&bar=2`
  const signature = createHmac('sha1', secret).update(`${url}Digits1234To+18005551212`).digest('base64')
  const headers = { 'content-type': 'application/x-www-form-urlencoded', 'x-twilio-signature': signature }
  expect((await send(url, { body: 'To=%2B18005551212&Digits=1234', headers })).status).toBe(200)
})
