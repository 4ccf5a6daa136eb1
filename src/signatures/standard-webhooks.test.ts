import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { expect, test } from 'vitest'
import { generateEd25519Secret, parseEd25519Secret } from './ed25519-secret.ts'
import { generateSecret, parseSecret, sign } from './standard-webhooks.ts'

const VECTOR_SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const VECTOR = {
  id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  timestampSeconds: 1614265330,
  body: Buffer.from('{"test": 2432232314}'),
}

function keyOf(secret: string): KeyObject {
  const key = parseSecret(secret)
  if (key === null) throw new Error('the test uses a secret that is refused')
  return key
}

test('the official vector gets the official signature', () => {
  const header = sign({ ...VECTOR, secrets: [keyOf(VECTOR_SECRET)] })
  expect(header).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
})

test('the official ed25519 vector gets the official signature, beside that of a symmetric secret', () => {
  const pair = '6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=='
  const key = parseEd25519Secret(`whsk_${pair}`)
  expect(key).not.toBeNull()
  const header = sign({ ...VECTOR, secrets: key === null ? [] : [key, keyOf(VECTOR_SECRET)] })
  expect(header.split(' ')).toEqual([
    'v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==',
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  ])
})

test('what a generated ed25519 secret signs, its public key verifies, also bytes that are not UTF-8', () => {
  const key = parseEd25519Secret(generateEd25519Secret())
  if (key === null) throw new Error('a generated secret is refused')
  const body = Buffer.from([0xff, 0x00, 0x80])
  const [, signature = ''] = sign({ ...VECTOR, body, secrets: [key] }).split(',')
  const signed = Buffer.concat([Buffer.from(`${VECTOR.id}.${VECTOR.timestampSeconds}.`), body])
  expect(verify(null, signed, createPublicKey(key), Buffer.from(signature, 'base64'))).toBe(true)
})

test.each([
  ['standardwebhooks', StandardWebhook],
  ['svix', SvixWebhook],
])('receivers with the %s library accept either secret while keys rotate', (_name, Webhook) => {
  const [oldSecret, newSecret] = [generateSecret(), generateSecret()]
  const body = Buffer.from('{"type":"user.created","data":{"name":"Zoë 😀"}}')
  const timestampSeconds = Math.floor(Date.now() / 1000)
  const header = sign({ id: 'msg_1', timestampSeconds, body, secrets: [keyOf(newSecret), keyOf(oldSecret)] })
  const headers = {
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(timestampSeconds),
    'webhook-signature': header,
  }
  for (const secret of [oldSecret, newSecret]) {
    expect(() => new Webhook(secret).verify(body.toString(), headers)).not.toThrow()
  }
  expect(() => new Webhook(generateSecret()).verify(body.toString(), headers)).toThrow()
  expect(() => new Webhook(newSecret).verify(`${body} `, headers)).toThrow()
})

test('bytes that are not UTF-8 are signed as they are', () => {
  const secrets = [keyOf(VECTOR_SECRET)]
  const invalid = sign({ ...VECTOR, body: Buffer.from([0xff, 0xfe]), secrets })
  const replaced = sign({ ...VECTOR, body: Buffer.from('\ufffd\ufffd'), secrets })
  expect(invalid).not.toBe(replaced)
})

test('a generated secret carries 32 random bytes and can be parsed', () => {
  const secret = generateSecret()
  expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
  expect(keyOf(secret).symmetricKeySize).toBe(32)
  expect(generateSecret()).not.toBe(secret)
})

test('secrets of 24 to 64 bytes are accepted', () => {
  for (const bytes of [24, 25, 26, 32, 64]) {
    expect(keyOf(`whsec_${Buffer.alloc(bytes, 7).toString('base64')}`).symmetricKeySize).toBe(bytes)
  }
})

test.each([
  '',
  'w',
  'whsec_',
  'whsec_%',
  'whsec_wronglength',
  'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=',
  'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==',
  'hwsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  ` ${VECTOR_SECRET}`,
  `${VECTOR_SECRET}\n`,
  `${VECTOR_SECRET}=`,
  'whsec_MfKQ9r8GKYqr TwjUPD8ILPZIo2LaLaSw',
  'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS_',
  `whsec_${Buffer.alloc(23).toString('base64')}`,
  `whsec_${Buffer.alloc(65).toString('base64')}`,
])('the malformed secret %j is refused', (secret) => {
  expect(parseSecret(secret)).toBeNull()
})
