import { createHmac, createPrivateKey, randomBytes, sign } from 'node:crypto'
import fc from 'fast-check'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { expect, test } from 'vitest'
import { plainDelivery, type SignedDelivery } from '../../test/support/signed-delivery.ts'
import { parseSecret } from '../signatures/standard-webhooks.ts'
import { createVerifier, type VerifierOptions } from './verify.ts'

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const publicKey = 'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4='
const seed = Buffer.from('6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc=', 'base64')
const v1 = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
const v1a = 'v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=='
const nowMs = 1_614_265_330_000
const now = () => nowMs

/** The published vector. */
const vector = {
  headers: {
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': v1,
  },
  body: Buffer.from('{"test": 2432232314}'),
}
const otherSecret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`

function judge(delivery: SignedDelivery, options: VerifierOptions = { secrets: [secret] }): string {
  const verification = createVerifier({ now, ...options })(delivery)
  return verification.kind === 'refused' ? verification.code : verification.kind
}

const withHeaders = (headers: Record<string, string>): SignedDelivery => ({
  ...vector,
  headers: { ...vector.headers, ...headers },
})

function without(name: string): SignedDelivery {
  return { ...vector, headers: Object.fromEntries(Object.entries(vector.headers).filter(([field]) => field !== name)) }
}

/** Signed rightly, whatever is said. */
function signed(id: string, timestamp: string, body: Uint8Array = vector.body, key = secret): SignedDelivery {
  const hmac = createHmac('sha256', Buffer.from(key.slice('whsec_'.length), 'base64'))
  const signature = `v1,${hmac.update(`${id}.${timestamp}.`).update(body).digest('base64')}`
  const headers = { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature }
  return { headers, body: Buffer.from(body) }
}

test('the published vectors hold, HMAC and ed25519', () => {
  const verification = createVerifier({ secrets: [secret], now })(vector)
  if (verification.kind === 'refused') throw new Error(verification.detail)
  const { event } = verification
  expect(event).toMatchObject({ id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', timestamp: new Date(nowMs), type: '' })
  expect(event.json()).toEqual({ test: 2432232314 })
  expect(Buffer.from(event.body)).toEqual(vector.body)
  expect(judge(withHeaders({ 'webhook-signature': v1a }), { secrets: [publicKey] })).toBe('verified')
})

test.each([
  ['standardwebhooks', StandardWebhook],
  ['svix', SvixWebhook],
])('what the package %s signs holds', (_name, Webhook) => {
  const payload = '{"type":"user.created","data":{"name":"Zoë 😀"}}'
  const at = new Date()
  const key = `whsec_${randomBytes(32).toString('base64')}`
  const headers = {
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
    'webhook-signature': new Webhook(key).sign('msg_1', at, payload),
  }
  const verification = createVerifier({ secrets: [key] })({ headers, body: Buffer.from(payload) })
  expect(verification).toMatchObject({ kind: 'verified', event: { id: 'msg_1', type: 'user.created' } })
  expect(judge({ headers, body: Buffer.from(`${payload} `) }, { secrets: [key], now: Date.now })).toBe(
    'SIGNATURE_WRONG',
  )
})

test('while secrets rotate, one signature that holds by one secret is enough', () => {
  const old = signed('msg_1', '1614265330', vector.body, otherSecret).headers['webhook-signature']
  const both = withHeaders({ 'webhook-signature': `v2,aGVsbG8= ${old} ${v1a} ${v1}` })
  expect(judge(both, { secrets: [secret] })).toBe('verified')
  expect(judge(both, { secrets: [publicKey] })).toBe('verified')
  expect(judge(vector, { secrets: [otherSecret, secret] })).toBe('verified')
  expect(judge(vector, { secrets: [otherSecret, publicKey] })).toBe('SIGNATURE_WRONG')
})

test('signatures on several lines, as servers join them, are all looked at', () => {
  const other = v1.replace('g0', 'h0')
  for (const lines of [
    [v1, other],
    [other, v1],
  ]) {
    expect(judge(withHeaders({ 'webhook-signature': lines.join(', ') }))).toBe('verified')
  }
  expect(judge(withHeaders({ 'webhook-signature': [other, other].join(', ') }))).toBe('SIGNATURE_WRONG')
})

test('header fields are read in every shape that servers give them', () => {
  const upper = Object.fromEntries(Object.entries(vector.headers).map(([name, value]) => [name.toUpperCase(), [value]]))
  for (const headers of [new Headers(vector.headers), upper]) {
    expect(createVerifier({ secrets: [secret], now })({ headers, body: vector.body }).kind).toBe('verified')
  }
})

test.each([
  [0, 'verified'],
  [-300, 'verified'],
  [300, 'verified'],
  [-301, 'TIMESTAMP_OFF'],
  [301, 'TIMESTAMP_OFF'],
])('of a sender whose clock differs by %i s is said: %s', (skewSeconds, expected) => {
  expect(judge(signed('msg_1', String(nowMs / 1_000 + skewSeconds)))).toBe(expected)
})

test('the tolerance can be chosen', () => {
  const late = signed('msg_1', String(nowMs / 1_000 - 11))
  expect(judge(late, { secrets: [secret], toleranceMs: 10_000 })).toBe('TIMESTAMP_OFF')
  expect(judge(late, { secrets: [secret], toleranceMs: 11_000 })).toBe('verified')
})

test.each([
  '',
  ' 1614265330',
  '+1614265330',
  '-1',
  '1614265330.0',
  '1614265330abc',
  '0x60377bb2',
  '1e9',
  '١٦١٤',
  '9'.repeat(30),
])('the time %j, rightly signed, is none', (timestamp) => {
  expect(judge(signed('msg_1', timestamp))).toMatch(/^(TIMESTAMP_OFF|SIGNATURE_MISSING)$/)
})

test.each<[string, SignedDelivery, string]>([
  ['nothing is signed', { headers: {}, body: vector.body }, 'SIGNATURE_MISSING'],
  ['the id is missing', without('webhook-id'), 'SIGNATURE_MISSING'],
  ['the time is missing', without('webhook-timestamp'), 'SIGNATURE_MISSING'],
  ['the signature is missing', without('webhook-signature'), 'SIGNATURE_MISSING'],
  ['the signature is empty', withHeaders({ 'webhook-signature': '' }), 'SIGNATURE_MISSING'],
  ['the signature has no version', withHeaders({ 'webhook-signature': v1.slice(3) }), 'SIGNATURE_MALFORMED'],
  ['the version is unknown', withHeaders({ 'webhook-signature': v1.replace('v1', 'v3') }), 'SIGNATURE_MALFORMED'],
  ['the version is upper case', withHeaders({ 'webhook-signature': v1.replace('v1', 'V1') }), 'SIGNATURE_MALFORMED'],
  ['the padding is missing', withHeaders({ 'webhook-signature': v1.replace('=', '') }), 'SIGNATURE_MALFORMED'],
  ['the spare bits are set', withHeaders({ 'webhook-signature': v1.replace('E=', 'F=') }), 'SIGNATURE_MALFORMED'],
  ['the signature is cut', withHeaders({ 'webhook-signature': v1.slice(0, 30) }), 'SIGNATURE_MALFORMED'],
  ['one bit differs', withHeaders({ 'webhook-signature': v1.replace('g0', 'h0') }), 'SIGNATURE_WRONG'],
  ['only a v1a signature came', withHeaders({ 'webhook-signature': v1a }), 'SIGNATURE_MALFORMED'],
  ['the HMAC calls itself v1a', withHeaders({ 'webhook-signature': v1.replace('v1', 'v1a') }), 'SIGNATURE_MALFORMED'],
  ['the id was exchanged', withHeaders({ 'webhook-id': 'msg_other' }), 'SIGNATURE_WRONG'],
  ['the time was exchanged', withHeaders({ 'webhook-timestamp': '1614265331' }), 'SIGNATURE_WRONG'],
  ['the time moved into the id', { ...signed('msg_1.1614265330', '1614265330') }, 'SIGNATURE_MALFORMED'],
  ['the id is endless', signed('m'.repeat(257), '1614265330'), 'SIGNATURE_MALFORMED'],
  ['the id has spaces', signed('msg 1', '1614265330'), 'SIGNATURE_MALFORMED'],
  ['the body was written anew', { ...vector, body: Buffer.from('{"test":2432232314}') }, 'SIGNATURE_WRONG'],
  ['the body is empty', { ...vector, body: Buffer.alloc(0) }, 'SIGNATURE_WRONG'],
  ['another secret signed', signed('msg_1', '1614265330', vector.body, otherSecret), 'SIGNATURE_WRONG'],
])('when %s', (_what, delivery, expected) => {
  expect(judge(delivery)).toBe(expected)
})

test('bytes that are not UTF-8 are verified as they are', () => {
  const delivery = signed('msg_1', '1614265330', Buffer.from([0xff, 0xfe]))
  expect(judge(delivery)).toBe('verified')
  expect(judge({ ...delivery, body: Buffer.from('\ufffd\ufffd') })).toBe('SIGNATURE_WRONG')
})

test('whatever strangers send is refused without an error', () => {
  const verify = createVerifier({ secrets: [secret, publicKey], plainSecrets: ['plain'], now })
  const text = fc.oneof(fc.string(), fc.constantFrom(v1, v1a, '1614265330', 'sha256=', 'v1,'))
  const names = ['webhook-id', 'webhook-timestamp', 'webhook-signature', 'x-webhook-signature', 'x-webhook-timestamp']
  const headers = fc.dictionary(fc.constantFrom(...names, '__proto__', 'get'), text)
  fc.assert(
    fc.property(headers, fc.uint8Array(), (fields, body) => verify({ headers: fields, body }).kind === 'refused'),
  )
})

test('of a flood of public-key signatures few are tried', () => {
  const key = createPrivateKey({
    key: {
      kty: 'OKP',
      crv: 'Ed25519',
      d: seed.toString('base64url'),
      x: '1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4',
    },
    format: 'jwk',
  })
  const wrong = Array.from({ length: 10 }, (_, at) => `v1a,${sign(null, Buffer.from([at]), key).toString('base64')}`)
  const flood = (count: number) => ({ 'webhook-signature': [...wrong.slice(0, count), v1a].join(' ') })
  expect(judge(withHeaders(flood(9)), { secrets: [publicKey] })).toBe('verified')
  expect(judge(withHeaders(flood(10)), { secrets: [publicKey] })).toBe('SIGNATURE_WRONG')
})

test.each<[string, SignedDelivery, string]>([
  ['the body is signed', plainDelivery('plain', '{}'), 'verified'],
  ['a second secret signed', plainDelivery('new', '{}'), 'verified'],
  ['another secret signed', plainDelivery('other', '{}'), 'SIGNATURE_WRONG'],
  ['the body was changed', { ...plainDelivery('plain', '{}'), body: Buffer.from('{ }') }, 'SIGNATURE_WRONG'],
  [
    'the algorithm is another',
    changed('x-webhook-signature', (text) => text.replace('sha256', 'sha1')),
    'SIGNATURE_MALFORMED',
  ],
  ['the signature is cut', changed('x-webhook-signature', (text) => text.slice(0, -2)), 'SIGNATURE_MALFORMED'],
  ['the signature is missing', changed('x-webhook-signature', () => ''), 'SIGNATURE_MISSING'],
  ['the id is missing', changed('x-webhook-delivery', () => ''), 'SIGNATURE_MISSING'],
  ['the time is missing', changed('x-webhook-timestamp', () => ''), 'SIGNATURE_MISSING'],
  ['the time is long ago', changed('x-webhook-timestamp', () => '1614265330'), 'TIMESTAMP_OFF'],
  ['the time is no number', changed('x-webhook-timestamp', () => 'now'), 'TIMESTAMP_OFF'],
])('in the plain form, when %s', (_what, delivery, expected) => {
  expect(judge(delivery, { plainSecrets: ['plain', 'new'], now: Date.now })).toBe(expected)
})

function changed(name: string, change: (value: string) => string): SignedDelivery {
  const delivery = plainDelivery('plain', '{}')
  return { ...delivery, headers: { ...delivery.headers, [name]: change(delivery.headers[name] ?? '') } }
}

test('a receiver of both forms takes each, and a plain signature does not mend a wrong one', () => {
  const options = { secrets: [secret], plainSecrets: ['plain'] }
  const plain = plainDelivery('plain', vector.body.toString())
  expect(judge(vector, options)).toBe('verified')
  expect(judge(plain, { ...options, now: Date.now })).toBe('verified')
  const headers = { ...plain.headers, ...withHeaders({ 'webhook-signature': v1.replace('g0', 'h0') }).headers }
  expect(judge({ ...plain, headers }, options)).toBe('SIGNATURE_WRONG')
})

test('a form that no secret is given for is not taken', () => {
  expect(judge(plainDelivery('plain', '{}'))).toBe('SIGNATURE_MISSING')
  expect(judge(vector, { plainSecrets: ['plain'] })).toBe('SIGNATURE_MISSING')
})

test.each([
  ['', 'w', 'whsec_', 'whsec_%', 'whsec_wronglength', 'hwsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', `${secret}\n`],
  ['MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', ` ${secret}`, `${secret}=`, 'whpk_', `whpk_${seed.toString('hex')}`],
  [`whsec_${Buffer.alloc(23).toString('base64')}`, `whsec_${Buffer.alloc(65).toString('base64')}`],
  ['whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=='],
])('malformed secrets are refused at the start, and not repeated: %j', (...texts) => {
  for (const text of texts) {
    expect(() => createVerifier({ secrets: [text] }), text).toThrow(TypeError)
    // The gateway, too, refuses each of them as a symmetric secret.
    expect(parseSecret(text)).toBeNull()
    if (text.length > 10) expect(() => createVerifier({ secrets: [text] })).not.toThrow(text)
  }
})

test('a receiver without any secret does not start', () => {
  expect(() => createVerifier({})).toThrow('at least one secret')
  expect(() => createVerifier({ secrets: [], plainSecrets: [''] })).toThrow('A plain secret is empty.')
  expect(() => createVerifier({ plainSecrets: [secret] })).toThrow('none of the plain form')
})
