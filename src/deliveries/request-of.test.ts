import { createPublicKey, createSecretKey, type KeyObject, verify } from 'node:crypto'
import { verify as verifyPlain } from '@octokit/webhooks-methods'
import { HTTP } from 'cloudevents'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ReceivedRequest, type Receiver, startReceiver } from '../../test/support/receiver.ts'
import type { PayloadFormat } from '../endpoints/endpoint.entity.ts'
import { createAddressGuard } from '../outbound/address-guard.ts'
import { createOutbound, type Outbound } from '../outbound/outbound.ts'
import { generateEd25519Secret, parseEd25519Secret } from '../signatures/ed25519-secret.ts'
import { generateSecret, parseSecret } from '../signatures/standard-webhooks.ts'
import type { SentMessage } from './payload-form.ts'
import { type RequestTarget, requestOf } from './request-of.ts'

let receiver: Receiver
let outbound: Outbound

beforeAll(async () => {
  receiver = await startReceiver()
  outbound = createOutbound({ guard: createAddressGuard({ allowedNetworks: [], allowsLoopback: true }) })
})

afterAll(async () => {
  await outbound.close()
  await receiver.close()
})

const message: SentMessage = {
  id: 'msg_1',
  receivedAt: new Date(),
  contentType: 'application/json',
  body: Buffer.from('{"order": 12345678901234567890, "name": "Zoë 😀"}'),
  eventId: 'e-1',
  eventSource: '/shop',
  eventType: 'order.created',
  eventSubject: null,
  eventTime: null,
  eventDataSchema: null,
  eventExtensions: '{"tenant":"acme"}',
  sourceName: 'inbox',
}

function keyOf(key: KeyObject | null): KeyObject {
  if (key === null) throw new Error('the test uses a secret that is refused')
  return key
}

const secrets = { standard: generateSecret(), plain: 'a plain text secret', ed25519: generateEd25519Secret() }
const standardKey = keyOf(parseSecret(secrets.standard))
const ed25519Key = keyOf(parseEd25519Secret(secrets.ed25519))
const plainKey = createSecretKey(Buffer.from(secrets.plain))

/** What arrives at a receiver. */
async function received(change: Partial<RequestTarget>, attemptNumber = 1): Promise<ReceivedRequest> {
  const endpoint: RequestTarget = {
    url: receiver.url,
    method: 'POST',
    payloadFormat: 'exact',
    headers: [],
    authentication: null,
    signing: 'standard-webhooks',
    secrets: [standardKey],
    otherSecrets: [],
    timeoutMs: 5_000,
    ...change,
  }
  const delivery = { id: 'dlv_1', attemptNumber, message } as const
  const signal = new AbortController().signal
  const nowMs = Date.now()
  const outcome = await outbound.request(
    await requestOf({ endpoint, delivery, userAgent: 'Hookline/1', signal, nowMs }),
  )
  expect(outcome.failure).toBeNull()
  const request = receiver.requests.at(-1)
  if (request === undefined) throw new Error('nothing arrived')
  return request
}

function fieldsOf({ headers }: ReceivedRequest): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, `${value}`]))
}

function acceptStandard(request: ReceivedRequest): void {
  for (const Webhook of [StandardWebhook, SvixWebhook]) {
    const text = request.body.toString()
    expect(() => new Webhook(secrets.standard).verify(text, fieldsOf(request))).not.toThrow()
    expect(() => new Webhook(secrets.standard).verify(`${text} `, fieldsOf(request))).toThrow()
  }
}

function acceptEd25519({ headers, body }: ReceivedRequest): void {
  const [version, signature = ''] = `${headers['webhook-signature']}`.split(',')
  const content = Buffer.concat([Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.`), body])
  expect(version).toBe('v1a')
  expect(verify(null, content, createPublicKey(ed25519Key), Buffer.from(signature, 'base64'))).toBe(true)
}

async function acceptPlain({ headers, body }: ReceivedRequest): Promise<void> {
  expect(await verifyPlain(secrets.plain, body.toString(), `${headers['x-webhook-signature']}`)).toBe(true)
  expect(headers).toMatchObject({ 'x-webhook-event': 'order.created', 'x-webhook-delivery': 'dlv_1' })
  expect(Math.abs(Number(headers['x-webhook-timestamp']) - Date.now() / 1000)).toBeLessThan(60)
}

function acceptForm(format: PayloadFormat, request: ReceivedRequest): void {
  const body = request.body.toString()
  expect(body).toContain('{"order": 12345678901234567890, "name": "Zoë 😀"}')
  switch (format) {
    case 'exact':
      expect(request.body.equals(message.body)).toBe(true)
      break
    case 'envelope':
      expect(JSON.parse(body)).toMatchObject({
        id: 'msg_1',
        event_type: 'order.created',
        data: { name: 'Zoë 😀' },
      })
      break
    default: {
      const event = HTTP.toEvent({ headers: fieldsOf(request), body })
      expect(event).toMatchObject({ id: 'e-1', source: '/shop', type: 'order.created', tenant: 'acme' })
      expect(event).toMatchObject({ data: { name: 'Zoë 😀' } })
    }
  }
}

const schemes = [
  ['standard-webhooks', standardKey, acceptStandard],
  ['standard-webhooks-ed25519', ed25519Key, acceptEd25519],
  ['plain-sha256', plainKey, acceptPlain],
] as const
const formats = ['exact', 'cloudevents-structured', 'cloudevents-binary', 'envelope'] as const

test.each(formats.flatMap((format) => schemes.map(([scheme, key, accept]) => ({ format, scheme, key, accept }))))(
  'a receiver accepts the form $format signed by $scheme',
  async ({ format, scheme, key, accept }) => {
    const request = await received({ payloadFormat: format, signing: scheme, secrets: [key] })
    acceptForm(format, request)
    await accept(request)
    expect(request.headers).toMatchObject({ 'webhook-id': 'msg_1', 'hookline-delivery-id': 'dlv_1' })
  },
)

test('while secrets rotate the old one is accepted, too; the plain form signs with the newest alone', async () => {
  const newer = keyOf(parseSecret(generateSecret()))
  acceptStandard(await received({ secrets: [newer, standardKey] }))
  await acceptPlain(
    await received({ signing: 'plain-sha256', secrets: [plainKey, createSecretKey(Buffer.from('the one before'))] }),
  )
})

test('while an endpoint changes from one form of signatures to the other both are there', async () => {
  const toPlain = await received({ signing: 'plain-sha256', secrets: [plainKey], otherSecrets: [standardKey] })
  acceptStandard(toPlain)
  await acceptPlain(toPlain)
  const toStandard = await received({ secrets: [standardKey], otherSecrets: [plainKey] })
  acceptStandard(toStandard)
  await acceptPlain(toStandard)
})

test('a signature is in no header of the form that was not asked for', async () => {
  expect(Object.keys((await received({})).headers).filter((name) => name.startsWith('x-webhook'))).toEqual([])
  const plain = await received({ signing: 'plain-sha256', secrets: [plainKey] })
  expect(Object.keys(plain.headers).filter((name) => name.startsWith('webhook-'))).toEqual(['webhook-id'])
})

test('method, added headers, proof of identity and attempt are as the endpoint says', async () => {
  const request = await received(
    {
      method: 'PUT',
      headers: [
        ['X-Tenant', 'acme'],
        ['X-Tenant', 'emca'],
      ],
      authentication: ['Authorization', 'Bearer let-me-in'],
    },
    3,
  )
  expect(request.method).toBe('PUT')
  expect(request.headers).toMatchObject({
    'x-tenant': 'acme, emca',
    authorization: 'Bearer let-me-in',
    'user-agent': 'Hookline/1',
    'hookline-attempt': '3',
    'content-type': 'application/json',
  })
})

test('the type stands in a header, in every form', async () => {
  for (const payloadFormat of ['exact', 'cloudevents-structured', 'envelope'] as const) {
    expect((await received({ payloadFormat })).headers).toMatchObject({ 'hookline-event-type': 'order.created' })
  }
  const { headers } = await received({ payloadFormat: 'cloudevents-binary' })
  expect(headers).toMatchObject({ 'ce-type': 'order.created' })
  expect(headers).not.toHaveProperty('hookline-event-type')
})

test.each([
  ['Zoë 100%', 'Zo%C3%AB%20100%25'],
  ['a'.repeat(2_048), 'a'.repeat(2_048)],
  ['ë'.repeat(1_000), undefined],
  [null, undefined],
])('a type is encoded for its header, and left out where it is too long or not known', async (eventType, value) => {
  const { headers } = await requestOf({
    endpoint: {
      url: receiver.url,
      method: 'POST',
      payloadFormat: 'exact',
      headers: [],
      authentication: null,
      signing: 'standard-webhooks',
      secrets: [standardKey],
      otherSecrets: [],
      timeoutMs: 1_000,
    },
    delivery: { id: 'dlv_1', attemptNumber: 1, message: { ...message, eventType } },
    userAgent: '',
    signal: AbortSignal.abort(),
    nowMs: 0,
  })
  expect(Object.fromEntries(headers)['hookline-event-type']).toBe(value)
})
