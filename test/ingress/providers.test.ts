import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { sign as signGithub } from '@octokit/webhooks-methods'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import Stripe from 'stripe'
import { Webhook as SvixWebhook } from 'svix'
import twilio from 'twilio'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { presetDescriptions } from '../../src/signatures/index.ts'
import { type IngressGateway, send, startIngressGateway } from './ingress-gateway.ts'

/** A request of a provider to an address of ours, signed now: by the provider's library, or as it publishes that it signs. */
interface Provider {
  readonly preset: string
  readonly secret: string
  readonly verifyToken?: string
  readonly body: string
  /** Changes what was signed, or shows another secret. */
  readonly tampered: string
  headers(url: string, body: string): Record<string, string> | Promise<Record<string, string>>
  /** What the provider documents that it takes for success; left out: 202 and a receipt, which is as good as any 2xx. */
  readonly success?: { readonly status: number; readonly text: string }
}

const whsec = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const discord = generateKeyPairSync('ed25519')
const discordKey = Buffer.from(discord.publicKey.export({ format: 'jwk' }).x ?? '', 'base64url').toString('hex')
const seconds = () => String(Math.floor(Date.now() / 1_000))
const hmac = (text: string, encoding: 'hex' | 'base64' = 'hex') =>
  createHmac('sha256', 'a secret').update(text).digest(encoding)
const ok = { status: 200, text: '' }
const json = { secret: 'a secret', body: '{"id":"1","type":"a"}', tampered: '{"id":"1","type":"b"}' }

function standard(brand: string, Library: typeof StandardWebhook | typeof SvixWebhook) {
  return (_url: string, body: string) => ({
    [`${brand}-id`]: 'msg_1',
    [`${brand}-timestamp`]: seconds(),
    [`${brand}-signature`]: new Library(whsec).sign('msg_1', new Date(), body),
  })
}

const providers: Provider[] = [
  {
    ...json,
    preset: 'DISCORD',
    success: { status: 204, text: '' },
    secret: discordKey,
    body: '{"type":2,"id":"1"}',
    tampered: '{"type":2,"id":"2"}',
    headers: (_url, body) => ({
      'x-signature-timestamp': seconds(),
      'x-signature-ed25519': sign(null, Buffer.from(seconds() + body), discord.privateKey).toString('hex'),
    }),
  },
  { ...json, preset: 'DROPBOX', success: ok, headers: (_url, body) => ({ 'x-dropbox-signature': hmac(body) }) },
  {
    ...json,
    preset: 'GITHUB',
    headers: async (_url, body) => ({ 'x-hub-signature-256': await signGithub('a secret', body) }),
  },
  { ...json, preset: 'GITLAB', secret: whsec, headers: standard('webhook', StandardWebhook) },
  {
    ...json,
    preset: 'LINEAR',
    success: ok,
    body: `{"webhookTimestamp":${Date.now()},"id":1}`,
    tampered: `{"webhookTimestamp":${Date.now()},"id":2}`,
    headers: (_url, body) => ({ 'linear-signature': hmac(body) }),
  },
  {
    ...json,
    preset: 'META',
    success: ok,
    verifyToken: 'agreed',
    headers: (_url, body) => ({ 'x-hub-signature-256': `sha256=${hmac(body)}` }),
  },
  {
    ...json,
    preset: 'MICROSOFT_GRAPH',
    body: '{"value":[{"clientState":"a secret","changeType":"updated"}]}',
    tampered: '{"value":[{"clientState":"b secret","changeType":"updated"}]}',
    headers: () => ({}),
  },
  {
    ...json,
    preset: 'PADDLE',
    success: ok,
    headers: (_url, body) => ({ 'paddle-signature': `ts=${seconds()};h1=${hmac(`${seconds()}:${body}`)}` }),
  },
  { ...json, preset: 'SHOPIFY', headers: (_url, body) => ({ 'x-shopify-hmac-sha256': hmac(body, 'base64') }) },
  {
    ...json,
    preset: 'SLACK',
    success: ok,
    headers: (_url, body) => ({
      'x-slack-request-timestamp': seconds(),
      'x-slack-signature': `v0=${hmac(`v0:${seconds()}:${body}`)}`,
    }),
  },
  {
    ...json,
    preset: 'SQUARE',
    headers: (url, body) => ({ 'x-square-hmacsha256-signature': hmac(url + body, 'base64') }),
  },
  { ...json, preset: 'STANDARD_WEBHOOKS', secret: whsec, headers: standard('webhook', StandardWebhook) },
  {
    ...json,
    preset: 'STRIPE',
    headers: (_url, payload) => ({
      'stripe-signature': Stripe.webhooks.generateTestHeaderString({ payload, secret: 'a secret' }),
    }),
  },
  { ...json, preset: 'SVIX', secret: whsec, headers: standard('svix', SvixWebhook) },
  {
    ...json,
    preset: 'TWILIO',
    success: { status: 200, text: '<Response/>' },
    body: 'To=%2B18005551212&Digits=1234',
    tampered: 'To=%2B18005551212&Digits=1235',
    headers: (url, body) => ({
      'content-type': 'application/x-www-form-urlencoded; charset=UTF-8',
      'x-twilio-signature': twilio.getExpectedTwilioSignature(
        'a secret',
        url,
        Object.fromEntries(new URLSearchParams(body)),
      ),
    }),
  },
  {
    ...json,
    preset: 'ZOOM',
    success: ok,
    headers: (_url, body) => ({
      'x-zm-request-timestamp': seconds(),
      'x-zm-signature': `v0=${hmac(`v0:${seconds()}:${body}`)}`,
    }),
  },
]

let gateway: IngressGateway

beforeAll(async () => {
  gateway = await startIngressGateway({ LOG_LEVEL: 'trace' })
})

afterAll(() => gateway.stop())

async function createSource(preset: string, name: string, options: Record<string, unknown> = {}) {
  const { secret, verifyToken } = providerOf(preset)
  const verification = { preset: { preset, secret, ...(verifyToken === undefined ? {} : { verifyToken }) } }
  return await gateway.createSource({ name, verification, ...options })
}

function providerOf(preset: string): Provider {
  const provider = providers.find((candidate) => candidate.preset === preset)
  if (provider === undefined) throw new Error(`no provider ${preset}`)
  return provider
}

/** The message that came last, as it was stored. */
async function latestMessage(id: string) {
  const { source } = await gateway.query<{ source: { messages: { nodes: { body: string; event: object }[] } } }>(
    `query ($id: ID!) {
      source(by: { id: $id }) { messages(first: 1) { nodes { body event { id type subject } } } }
    }`,
    { id },
  )
  return source.messages.nodes[0]
}

const allOfSource = `query ($id: ID!) {
  source(by: { id: $id }) {
    queueUrl
    verification { scheme preset secrets { id hint } }
    refusals(first: 10) { nodes { reason detail signature signedContentDigest clockSkewMs status } }
  }
}`

test('every preset is walked', () => {
  expect(providers.map(({ preset }) => preset)).toEqual(Object.keys(presetDescriptions).sort())
})

test.each(providers.map((provider) => [provider.preset, provider] as const))(
  '%s: what it sends is stored at both addresses and answered as it asks for; what was changed on its way is refused',
  async (preset, { secret, body, tampered, headers, success = { status: 202 } }) => {
    const source = await createSource(preset, preset.toLowerCase().replaceAll('_', '-'), { duplicateWindowMs: 0 })
    const readAll = () => gateway.query<{ source: { queueUrl: string } }>(allOfSource, { id: source.id })
    for (const address of [source.ingressUrl, (await readAll()).source.queueUrl]) {
      const url = `${address}/sms?foo=1&bar=2`
      const signed = await headers(url, body)
      expect(await send(url, { body, headers: signed })).toMatchObject(success)
      expect(Buffer.from((await latestMessage(source.id))?.body ?? '', 'base64').toString()).toBe(body)
      expect((await send(url, { body: tampered, headers: signed })).status).toBe(401)
      await gateway.latestRefusal(source.id, { reason: 'CREDENTIAL_WRONG', status: 401, method: 'POST' })
    }
    expect(await gateway.countMessages(source.id)).toBe(2)
    expect(gateway.process.output() + JSON.stringify(await readAll())).not.toContain(secret)
  },
)

test('the owner of a source may answer otherwise than its provider asks for', async () => {
  const acceptedResponse = { status: 201, headers: [], body: 'taken' }
  const { ingressUrl } = await createSource('LINEAR', 'own-answer', { acceptedResponse })
  const { body, headers } = providerOf('LINEAR')
  const answer = await send(ingressUrl, { body, headers: await headers(ingressUrl, body) })
  expect(answer).toMatchObject({ status: 201, text: 'taken' })
})

test("GitLab's retries are duplicates of its event, whatever their body", async () => {
  const { id, ingressUrl } = await createSource('GITLAB', 'gitlab-retries')
  const sendAgain = async (body: string) => {
    const signed = await providerOf('GITLAB').headers(ingressUrl, body)
    return await send(ingressUrl, { body, headers: { ...signed, 'idempotency-key': 'f5e5f430-f57b-4e6e-9fac' } })
  }
  const first = await sendAgain('{"object_kind":"push"}')
  for (const body of ['{"object_kind":"push"}', '{"object_kind":"push","retry":true}']) {
    expect(await sendAgain(body)).toMatchObject({ status: 202, body: { id: first.body.id, duplicate: true } })
  }
  expect(await gateway.countMessages(id)).toBe(1)
  expect(await latestMessage(id)).toMatchObject({ event: { id: 'f5e5f430-f57b-4e6e-9fac' } })
})

test.each([
  ['SVIX', 'svix'],
  ['SVIX', 'webhook'],
])('%s is sent a second time under its id in the header %s-id', async (preset, brand) => {
  const { id, ingressUrl } = await createSource(preset, `${brand}-twice`)
  const { body } = providerOf(preset)
  const headers = standard(brand, SvixWebhook)(ingressUrl, body)
  expect(await send(ingressUrl, { body, headers })).toMatchObject({ body: { duplicate: false } })
  expect(await send(ingressUrl, { body, headers })).toMatchObject({ status: 202, body: { duplicate: true } })
  expect(await gateway.countMessages(id)).toBe(1)
})
