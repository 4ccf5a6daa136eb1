import '@shopify/shopify-api/adapters/node'
import { createHmac, generateKeyPairSync, type KeyObject, sign as signWithKey } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import { LinearWebhookClient } from '@linear/sdk/webhooks'
import { sign as signGithub, verify as verifyGithub } from '@octokit/webhooks-methods'
import { Paddle } from '@paddle/paddle-node-sdk'
import { ApiVersion, shopifyApi } from '@shopify/shopify-api'
import { AwsLambdaReceiver } from '@zoom/rivet/accounts'
import { verifyKey } from 'discord-interactions'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import Stripe from 'stripe'
import { Webhook as SvixWebhook } from 'svix'
import twilio from 'twilio'
import { describe, expect, test, vi } from 'vitest'
import { createVerifier, presetDescriptions, type VerifiableRequest, type VerificationPreset } from './index.ts'

/** A request of a provider, and who outside of this code says that it is one. */
interface Row {
  readonly preset: VerificationPreset
  /** Which of several forms of the same provider. */
  readonly form?: string
  readonly secret: string
  readonly otherSecret: string
  /** Milliseconds; the present, but where a vector was published with its time. */
  readonly atMs: number
  readonly url?: string
  readonly body: string
  readonly headers: Record<string, string> | Promise<Record<string, string>>
  /** The provider's own check, where a library has one. Where there is none, the signature itself comes from outside. */
  readonly accepts?: (body: string, headers: Record<string, string>) => boolean | Promise<boolean>
  /** How far the time may be off; null where none is checked. */
  readonly toleranceMs: number | null
  /** The header that holds the proof; null when the body does. */
  readonly proof: string | null
  /** False where the proof is a shared token, which says nothing about the body. */
  readonly coversBody: boolean
}

const now = Date.now()
const seconds = Math.floor(now / 1_000)
const whsec = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const otherWhsec = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx'
const address = 'https://hooks.example/in/token?a=1&b=2'
const common = { atMs: now, toleranceMs: null, coversBody: true, otherSecret: 'another secret' }
const text = '{"type":"user.created","data":{"name":"Zoë 😀"}}'

function hmac(secret: string, content: string, encoding: 'hex' | 'base64' = 'hex'): string {
  return createHmac('sha256', secret).update(content).digest(encoding)
}

function rawPublicKey(key: KeyObject): Buffer {
  return Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url')
}

const discord = generateKeyPairSync('ed25519')
const otherDiscord = generateKeyPairSync('ed25519')
const standardVector = {
  id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  body: '{"test": 2432232314}',
  atMs: 1_614_265_330_000,
  v1: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  v1a: 'v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==',
  publicKey: 'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=',
}

const square = {
  url: 'https://webhook.site/679a4f3a-dcfa-49ee-bac5-9d0edad886b9',
  body: '{"merchant_id":"MLEFBHHSJGVHD","type":"webhooks.test_notification","event_id":"ac3ac95b-f97d-458c-a6e6-18981597e05f","created_at":"2022-07-13T20:30:59.037339943Z","data":{"type":"webhooks","id":"bc368e64-01aa-407e-b46e-3231809b1129"}}',
}
const slackBody =
  'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c'
const linearBody = JSON.stringify({ action: 'create', type: 'Issue', webhookTimestamp: now })
const zoomBody = '{"event":"meeting.started","payload":{"object":{"id":"1"}}}'
const twilioForm = 'CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212'
const twilioJson = '{"status":"delivered"}'
const twilioJsonUrl = `${address}&bodySHA256=${twilio.getExpectedBodyHash(twilioJson)}`
const graphBody = '{"value":[{"clientState":"secretClientValue","changeType":"updated","resource":"me/messages"}]}'

function standardHeaders(brand: string, Library: typeof StandardWebhook | typeof SvixWebhook): Record<string, string> {
  const signature = new Library(whsec).sign('msg_1', new Date(now), text)
  return { [`${brand}-id`]: 'msg_1', [`${brand}-timestamp`]: String(seconds), [`${brand}-signature`]: signature }
}

function acceptsStandard(Library: typeof StandardWebhook | typeof SvixWebhook): NonNullable<Row['accepts']> {
  return (body, headers) => !throws(() => new Library(whsec).verify(body, headers as never))
}

function throws(act: () => unknown): boolean {
  try {
    act()
    return false
  } catch {
    return true
  }
}

const rows: Row[] = [
  {
    ...common,
    preset: 'DISCORD',
    secret: rawPublicKey(discord.publicKey).toString('hex'),
    otherSecret: rawPublicKey(otherDiscord.publicKey).toString('hex'),
    body: '{"type":2,"id":"1"}',
    headers: {
      'x-signature-ed25519': signWithKey(
        null,
        Buffer.from(`${seconds}{"type":2,"id":"1"}`),
        discord.privateKey,
      ).toString('hex'),
      'x-signature-timestamp': String(seconds),
    },
    accepts: (body, headers) =>
      verifyKey(
        body,
        headers['x-signature-ed25519'] ?? '',
        headers['x-signature-timestamp'] ?? '',
        rawPublicKey(discord.publicKey).toString('hex'),
      ),
    toleranceMs: 300_000,
    proof: 'x-signature-ed25519',
  },
  {
    // No library of Dropbox verifies webhooks: as its documentation writes it out.
    ...common,
    preset: 'DROPBOX',
    secret: 'app secret',
    body: '{"list_folder":{"accounts":["dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc"]}}',
    headers: {
      'x-dropbox-signature': hmac(
        'app secret',
        '{"list_folder":{"accounts":["dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc"]}}',
      ),
    },
    proof: 'x-dropbox-signature',
  },
  {
    ...common,
    preset: 'GITHUB',
    secret: "It's a Secret to Everybody",
    body: text,
    headers: signGithub("It's a Secret to Everybody", text).then((value) => ({ 'x-hub-signature-256': value })),
    accepts: (body, headers) => verifyGithub("It's a Secret to Everybody", body, headers['x-hub-signature-256'] ?? ''),
    proof: 'x-hub-signature-256',
  },
  {
    ...common,
    preset: 'GITLAB',
    form: 'secret token',
    secret: 'gitlab token',
    body: text,
    headers: { 'x-gitlab-token': 'gitlab token' },
    proof: 'x-gitlab-token',
    coversBody: false,
  },
  {
    ...common,
    preset: 'GITLAB',
    form: 'signing token',
    secret: whsec,
    otherSecret: otherWhsec,
    body: text,
    headers: standardHeaders('webhook', StandardWebhook),
    accepts: acceptsStandard(StandardWebhook),
    toleranceMs: 300_000,
    proof: 'webhook-signature',
  },
  {
    ...common,
    preset: 'LINEAR',
    secret: 'linear secret',
    body: linearBody,
    headers: { 'linear-signature': hmac('linear secret', linearBody) },
    accepts: (body, headers) =>
      !throws(() =>
        new LinearWebhookClient('linear secret').verify(Buffer.from(body), headers['linear-signature'] ?? ''),
      ),
    toleranceMs: 60_000,
    proof: 'linear-signature',
  },
  {
    // Meta signs as GitHub does: GitHub's published vector.
    ...common,
    preset: 'META',
    secret: "It's a Secret to Everybody",
    body: 'Hello, World!',
    headers: { 'x-hub-signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17' },
    proof: 'x-hub-signature-256',
  },
  {
    // No signature at all: the documented notification with the documented clientState.
    ...common,
    preset: 'MICROSOFT_GRAPH',
    secret: 'secretClientValue',
    body: graphBody,
    headers: {},
    proof: null,
    coversBody: false,
  },
  {
    ...common,
    preset: 'PADDLE',
    secret: 'pdl_ntfset_01_secret',
    body: text,
    headers: { 'paddle-signature': `ts=${seconds};h1=${hmac('pdl_ntfset_01_secret', `${seconds}:${text}`)}` },
    accepts: (body, headers) =>
      new Paddle('key').webhooks.isSignatureValid(body, 'pdl_ntfset_01_secret', headers['paddle-signature'] ?? ''),
    toleranceMs: 300_000,
    proof: 'paddle-signature',
  },
  {
    ...common,
    preset: 'SHOPIFY',
    secret: 'shopify secret',
    body: text,
    headers: {
      'x-shopify-hmac-sha256': hmac('shopify secret', text, 'base64'),
      'x-shopify-topic': 'orders/create',
      'x-shopify-shop-domain': 'a.myshopify.com',
      'x-shopify-api-version': '2025-07',
      'x-shopify-webhook-id': 'w',
    },
    accepts: acceptsShopify,
    proof: 'x-shopify-hmac-sha256',
  },
  {
    // The example of Slack's documentation.
    ...common,
    preset: 'SLACK',
    secret: '8f742231b10e8888abcd99yyyzzz85a5',
    atMs: 1_531_420_618_000,
    body: slackBody,
    headers: {
      'x-slack-signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
      'x-slack-request-timestamp': '1531420618',
    },
    toleranceMs: 300_000,
    proof: 'x-slack-signature',
  },
  {
    // The vector in the tests of Square's own library.
    ...common,
    preset: 'SQUARE',
    secret: 'Ibxx_5AKakO-3qeNVR61Dw',
    ...square,
    headers: { 'x-square-hmacsha256-signature': 'GF4YkrJgGBDZ9NIYbNXBnMzqb2HoL4RW/S6vkZ9/2N4=' },
    proof: 'x-square-hmacsha256-signature',
  },
  {
    // The vector of the specification.
    ...common,
    preset: 'STANDARD_WEBHOOKS',
    form: 'HMAC',
    secret: whsec,
    otherSecret: otherWhsec,
    atMs: standardVector.atMs,
    body: standardVector.body,
    headers: {
      'webhook-id': standardVector.id,
      'webhook-timestamp': '1614265330',
      'webhook-signature': standardVector.v1,
    },
    toleranceMs: 300_000,
    proof: 'webhook-signature',
  },
  {
    ...common,
    preset: 'STANDARD_WEBHOOKS',
    form: 'ed25519',
    secret: standardVector.publicKey,
    otherSecret: `whpk_${rawPublicKey(otherDiscord.publicKey).toString('base64')}`,
    atMs: standardVector.atMs,
    body: standardVector.body,
    headers: {
      'webhook-id': standardVector.id,
      'webhook-timestamp': '1614265330',
      'webhook-signature': standardVector.v1a,
    },
    toleranceMs: 300_000,
    proof: 'webhook-signature',
  },
  {
    ...common,
    preset: 'STRIPE',
    secret: 'whsec_test_secret',
    otherSecret: 'whsec_test_secret2',
    body: text,
    headers: {
      'stripe-signature': Stripe.webhooks.generateTestHeaderString({ payload: text, secret: 'whsec_test_secret' }),
    },
    accepts: (body, headers) =>
      !throws(() => Stripe.webhooks.constructEvent(body, headers['stripe-signature'] ?? '', 'whsec_test_secret')),
    toleranceMs: 300_000,
    proof: 'stripe-signature',
  },
  {
    ...common,
    preset: 'SVIX',
    form: 'svix headers',
    secret: whsec,
    otherSecret: otherWhsec,
    body: text,
    headers: standardHeaders('svix', SvixWebhook),
    accepts: acceptsStandard(SvixWebhook),
    toleranceMs: 300_000,
    proof: 'svix-signature',
  },
  {
    ...common,
    preset: 'SVIX',
    form: 'webhook headers',
    secret: whsec,
    otherSecret: otherWhsec,
    body: text,
    headers: standardHeaders('webhook', SvixWebhook),
    accepts: acceptsStandard(SvixWebhook),
    toleranceMs: 300_000,
    proof: 'webhook-signature',
  },
  {
    ...common,
    preset: 'TWILIO',
    form: 'form',
    secret: '12345',
    url: 'https://mycompany.com/myapp.php?foo=1&bar=2',
    body: twilioForm,
    headers: {
      'x-twilio-signature': 'RSOYDt4T1cUTdK1PDd93/VVr8B8=',
      'content-type': 'application/x-www-form-urlencoded; charset=UTF-8',
    },
    accepts: (body, headers) =>
      twilio.validateRequest(
        '12345',
        headers['x-twilio-signature'] ?? '',
        'https://mycompany.com/myapp.php?foo=1&bar=2',
        Object.fromEntries(new URLSearchParams(body)),
      ),
    proof: 'x-twilio-signature',
  },
  {
    ...common,
    preset: 'TWILIO',
    form: 'JSON',
    secret: '12345',
    url: twilioJsonUrl,
    body: twilioJson,
    headers: {
      'x-twilio-signature': twilio.getExpectedTwilioSignature('12345', twilioJsonUrl, {}),
      'content-type': 'application/json',
    },
    accepts: (body, headers) =>
      twilio.validateRequestWithBody('12345', headers['x-twilio-signature'] ?? '', twilioJsonUrl, body),
    proof: 'x-twilio-signature',
  },
  {
    ...common,
    preset: 'ZOOM',
    secret: 'zoom secret',
    body: zoomBody,
    headers: {
      'x-zm-signature': `v0=${hmac('zoom secret', `v0:${seconds}:${zoomBody}`)}`,
      'x-zm-request-timestamp': String(seconds),
    },
    accepts: async (body, headers) => (await askZoom(body, headers)).statusCode === 200,
    toleranceMs: 300_000,
    proof: 'x-zm-signature',
  },
]

async function acceptsShopify(rawBody: string, headers: Record<string, string>): Promise<boolean> {
  const shopify = shopifyApi({
    apiKey: 'key',
    apiSecretKey: 'shopify secret',
    hostName: 'app.example',
    apiVersion: ApiVersion.July25,
    isEmbeddedApp: false,
    logger: { level: 0 },
  })
  const rawRequest = { method: 'POST', url: '/', headers } as unknown as IncomingMessage
  const result = await shopify.webhooks.validate({ rawBody, rawRequest, rawResponse: {} as ServerResponse })
  return result.valid
}

async function askZoom(body: string, headers: Record<string, string>) {
  // The receiver prints what it handles.
  const debug = vi.spyOn(console, 'debug').mockImplementation(() => undefined)
  const receiver = new AwsLambdaReceiver({ webhooksSecretToken: 'zoom secret' })
  receiver.init({ eventEmitter: { emit: async () => undefined } as never })
  const answer = await receiver.start()({ body, headers, isBase64Encoded: false } as never, {} as never)
  debug.mockRestore()
  return answer as { statusCode: number; body: string }
}

interface Changes {
  readonly body?: string
  readonly headers?: Record<string, string | string[]>
  readonly secret?: string
  readonly atMs?: number
}

async function verdictOf(row: Row, changes: Changes = {}) {
  const url = row.url ?? address
  const request: VerifiableRequest = {
    method: 'POST',
    url,
    query: new URL(url).search.slice(1) || null,
    headers: changes.headers ?? (await row.headers),
    body: Buffer.from(changes.body ?? row.body),
  }
  const rules = { scheme: 'PRESET', preset: row.preset, verifyToken: null } as const
  const verifier = createVerifier(rules, [{ text: changes.secret ?? row.secret, expiresAt: null }])
  return verifier.verify(request, changes.atMs ?? row.atMs)
}

function isToken(row: Row): boolean {
  return row.proof === null || row.proof === 'x-gitlab-token'
}

const wrongCode = (row: Row) => (isToken(row) ? 'CREDENTIAL_WRONG' : 'SIGNATURE_WRONG')
const missingCode = (row: Row) => (isToken(row) ? 'CREDENTIAL_MISSING' : 'SIGNATURE_MISSING')

test('every provider of the API is in the table', () => {
  expect([...new Set(rows.map((row) => row.preset))].sort()).toEqual(Object.keys(presetDescriptions).sort())
})

describe.each(rows.map((row) => [`${row.preset}${row.form === undefined ? '' : ` (${row.form})`}`, row] as const))(
  '%s',
  (_name, row) => {
    test('what the provider signs is verified, as its own library does', async () => {
      if (row.accepts !== undefined) expect(await row.accepts(row.body, await row.headers)).toBe(true)
      expect(await verdictOf(row)).toMatchObject({ kind: 'verified' })
    })

    test.runIf(row.coversBody)('a changed body is refused, as its own library does', async () => {
      const body = row.body
        .replace('{"', '{ "')
        .replace('Hello', 'Hallo')
        .replace('T1DC2', 'T2DC2')
        .replace('=1234', '=1235')
      expect(body).not.toBe(row.body)
      // Zoom's library serialises what it parsed, so it does not see a space.
      if (row.accepts !== undefined && row.preset !== 'ZOOM')
        expect(await row.accepts(body, await row.headers)).toBe(false)
      expect(await verdictOf(row, { body })).toMatchObject({ kind: 'refused', status: 401, code: 'SIGNATURE_WRONG' })
    })

    test('another secret does not verify it', async () => {
      const verdict = await verdictOf(row, { secret: row.otherSecret })
      expect(verdict).toMatchObject({ kind: 'refused', reason: 'CREDENTIAL_WRONG' })
      const isKeyOfOtherForm = row.form === 'signing token'
      if (!isKeyOfOtherForm) expect(verdict).toMatchObject({ code: wrongCode(row) })
    })

    test.runIf(row.proof !== null)('a request without its proof says which header is missing', async () => {
      const headers = { ...(await row.headers) }
      delete headers[row.proof ?? '']
      const verdict = await verdictOf(row, { headers })
      expect(verdict).toMatchObject({ kind: 'refused', code: missingCode(row), reason: 'CREDENTIAL_MISSING' })
      expect(verdict).toMatchObject({ signature: null, signedContentDigest: null })
    })

    test.runIf(row.toleranceMs !== null)('an old or early request is refused with its clock skew', async () => {
      const toleranceMs = row.toleranceMs ?? 0
      for (const offMs of [-toleranceMs - 2_000, toleranceMs + 2_000]) {
        const verdict = await verdictOf(row, { atMs: row.atMs - offMs })
        expect(verdict).toMatchObject({ kind: 'refused', code: 'TIMESTAMP_OFF', reason: 'TIMESTAMP_OFF' })
        const skewMs = verdict.kind === 'refused' ? (verdict.clockSkewMs ?? 0) : 0
        expect(Math.abs(skewMs - offMs)).toBeLessThan(1_000)
      }
      expect(await verdictOf(row, { atMs: row.atMs + toleranceMs - 2_000 })).toMatchObject({ kind: 'verified' })
    })

    test.runIf(!isToken(row))(
      'a junk signature is malformed, and a repeated header with a good one is verified',
      async () => {
        const headers = await row.headers
        const name = row.proof ?? ''
        const good = headers[name] ?? ''
        const junk = await verdictOf(row, { headers: { ...headers, [name]: `${good.slice(0, -3)}!!!` } })
        expect(junk).toMatchObject({
          kind: 'refused',
          code: 'SIGNATURE_MALFORMED',
          signature: expect.stringContaining('…'),
        })
        const repeated = { ...headers, [name]: [`${good.slice(0, -9)}abcd${good.slice(-5)}`, good] }
        expect(await verdictOf(row, { headers: repeated })).toMatchObject({ kind: 'verified' })
      },
    )

    test.runIf(
      /(?:=|^)[0-9a-f]{64,128}$/.test(
        row.proof === null ? '' : ((row.headers as Record<string, string>)[row.proof] ?? ''),
      ),
    )('hexadecimal digits may be upper-case', async () => {
      const headers = await row.headers
      const name = row.proof ?? ''
      const upper = (headers[name] ?? '').replace(/[0-9a-f]{64,128}$/, (digits) => digits.toUpperCase())
      expect(upper).not.toBe(headers[name])
      expect(await verdictOf(row, { headers: { ...headers, [name]: upper } })).toMatchObject({ kind: 'verified' })
    })
  },
)

// The package's types describe a default export that its JSON does not have.
const examples: { examples: object[] }[] = createRequire(import.meta.url)('@octokit/webhooks-examples')

test("what GitHub's own library signs is verified, for real payloads", async () => {
  const secret = "It's a Secret to Everybody"
  const verifier = createVerifier({ scheme: 'PRESET', preset: 'GITHUB', verifyToken: null }, [
    { text: secret, expiresAt: null },
  ])
  const payloads = examples.slice(0, 10).flatMap((event) => event.examples.slice(0, 2))
  expect(payloads.length).toBeGreaterThan(10)
  for (const payload of payloads) {
    const body = JSON.stringify(payload)
    const headers = { 'x-hub-signature-256': await signGithub(secret, body) }
    const request = { method: 'POST', url: address, query: null, headers, body: Buffer.from(body) }
    expect(verifier.verify(request, now)).toMatchObject({ kind: 'verified' })
    const tampered = { ...request, body: Buffer.from(`${body} `) }
    expect(verifier.verify(tampered, now)).toMatchObject({ kind: 'refused', code: 'SIGNATURE_WRONG' })
  }
})

test("Zoom's validation of an address is answered as its own library answers", async () => {
  const body =
    '{"payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"},"event_ts":1654503849680,"event":"endpoint.url_validation"}'
  const signature = `v0=${hmac('zoom secret', `v0:${seconds}:${body}`)}`
  const headers = { 'x-zm-signature': signature, 'x-zm-request-timestamp': String(seconds) }
  const row: Row = { ...common, preset: 'ZOOM', secret: 'zoom secret', body, headers, proof: 'x-zm-signature' }
  const verdict = await verdictOf(row)
  expect(verdict).toMatchObject({ kind: 'answered', status: 200 })
  const answered = verdict.kind === 'answered' ? verdict.body : ''
  expect(JSON.parse(answered)).toEqual(JSON.parse((await askZoom(body, headers)).body))
  expect(await verdictOf(row, { secret: 'another' })).toMatchObject({ kind: 'refused' })
})
