import { createHash, createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import Stripe from 'stripe'
import { describe, expect, test } from 'vitest'
import { nowMs, preset, seconds, url, verified, verify } from '../../test/support/verify-request.ts'
import {
  checkSecret,
  createVerifier,
  generateSecret,
  mappingOfPreset,
  type SignatureFormat,
  type VerificationPreset,
  type VerificationRules,
} from './index.ts'

function generic(change: Partial<SignatureFormat>): VerificationRules {
  const format: SignatureFormat = {
    algorithm: 'HMAC_SHA256',
    content: '{body}',
    header: 'X-Signature',
    prefix: null,
    parameter: null,
    encoding: 'HEX',
    idHeader: null,
    timestampHeader: null,
    timestampParameter: null,
    toleranceMs: 300_000,
  }
  return { scheme: 'SIGNATURE', format: { ...format, ...change } }
}

describe('a signature of a described form', () => {
  test.each(['sha1', 'sha256', 'sha512'] as const)('%s, keyed or plain, in hex or base64', (hash) => {
    const size = hash.slice(3) as '1' | '256' | '512'
    for (const [encoding, form] of [
      ['HEX', 'hex'],
      ['BASE64', 'base64'],
    ] as const) {
      const keyed = createHmac(hash, 'key').update('content').digest(form)
      const plain = createHash(hash).update('keycontent').digest(form)
      const sent = (signature: string) => ({ body: 'content', headers: { 'x-signature': signature } })
      expect(verify(generic({ algorithm: `HMAC_SHA${size}`, encoding }), 'key', sent(keyed))).toMatchObject(verified)
      expect(verify(generic({ algorithm: `HASH_SHA${size}`, encoding }), 'key', sent(plain))).toMatchObject(verified)
      expect(verify(generic({ algorithm: `HASH_SHA${size}`, encoding }), 'kez', sent(plain))).toMatchObject({
        code: 'SIGNATURE_WRONG',
      })
    }
  })

  test('ed25519 with the public key in hex, base64 or whpk_', () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
    const signature = sign(null, Buffer.from('content'), privateKey).toString('base64')
    const rules = generic({ algorithm: 'ED25519', encoding: 'BASE64', prefix: 'ed25519:' })
    const sent = { body: 'content', headers: { 'x-signature': `ed25519:${signature}` } }
    for (const secret of [raw.toString('hex'), raw.toString('base64'), `whpk_${raw.toString('base64')}`]) {
      expect(verify(rules, secret, sent)).toMatchObject(verified)
      expect(verify(rules, secret, { ...sent, body: 'Content' })).toMatchObject({ code: 'SIGNATURE_WRONG' })
    }
  })

  test('id, time, address and body stand in the signed text where the template says', () => {
    const rules = generic({
      content: 'a:{id}:{timestamp}:{url}:{body}:z',
      prefix: 'HMAC ',
      idHeader: 'X-Id',
      timestampHeader: 'X-Time',
    })
    const text = `a:one:${seconds}:${url}:body:z`
    const signature = `HMAC ${createHmac('sha256', 'key').update(text).digest('hex')}`
    const headers = { 'x-signature': signature, 'x-id': 'one', 'x-time': seconds }
    expect(verify(rules, 'key', { body: 'body', headers })).toMatchObject(verified)
    const wrong = verify(rules, 'key', { body: 'Body', headers })
    const signedContentDigest = createHash('sha256').update(text.replace('body', 'Body')).digest('hex')
    expect(wrong).toMatchObject({ code: 'SIGNATURE_WRONG', signedContentDigest, clockSkewMs: 0 })
    for (const name of ['x-id', 'x-time']) {
      const verdict = verify(rules, 'key', { body: 'body', headers: { ...headers, [name]: undefined } })
      expect(verdict).toMatchObject({ code: 'SIGNATURE_MISSING' })
    }
  })

  test('a list of k=v may be in any order, with commas, semicolons or spaces, and other keys', () => {
    const rules = generic({ content: '{timestamp}.{body}', parameter: 'sig', timestampParameter: 'ts' })
    const hex = createHmac('sha256', 'key').update(`${seconds}.body`).digest('hex')
    for (const list of [
      `ts=${seconds},sig=${hex}`,
      `sig=${hex};ts=${seconds}`,
      `v=1, ts=${seconds}, sig=00, sig=${hex}`,
    ]) {
      expect(verify(rules, 'key', { body: 'body', headers: { 'x-signature': list } })).toMatchObject(verified)
    }
    for (const list of [`xts=${seconds},sig=${hex}`, `ts=${seconds},xsig=${hex}`, `ts=${seconds}`, hex]) {
      const verdict = verify(rules, 'key', { body: 'body', headers: { 'x-signature': list } })
      expect(verdict).toMatchObject({ code: 'SIGNATURE_MALFORMED' })
    }
  })
})

test.each([
  '1614265330abc',
  '1e9',
  '-1700000000',
  '1700000000.5',
  '9'.repeat(400),
  ' ',
  'NaN',
  '0x6553f100',
  '1700000000000',
])('the malformed time %j is off, whatever the signature says', (timestamp) => {
  const signature = createHmac('sha256', 'key').update(`v0:${timestamp}:body`).digest('hex')
  const headers = { 'x-slack-signature': `v0=${signature}`, 'x-slack-request-timestamp': timestamp }
  const verdict = verify(preset('SLACK'), 'key', { body: 'body', headers })
  expect(verdict).toMatchObject({ kind: 'refused', status: 401, code: 'TIMESTAMP_OFF', clockSkewMs: null })
})

describe('a signature that is not of the form', () => {
  // GitHub's published vector.
  const secret = "It's a Secret to Everybody"
  const hex = '757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17'
  const send = (signature: string) =>
    verify(preset('GITHUB'), secret, { body: 'Hello, World!', headers: { 'x-hub-signature-256': signature } })

  test.each([
    hex,
    `sha1=${hex}`,
    'sha256=',
    `sha256=${hex.slice(2)}`,
    `sha256=${hex}00`,
    `sha256=${hex.slice(0, 62)}zz`,
    `sha256=${hex}\n`,
    `xsha256=${hex}`,
  ])('%j is told apart from a wrong one', (signature) => {
    expect(send(`sha256=${hex}`)).toMatchObject(verified)
    expect(send(signature)).toMatchObject({ kind: 'refused', code: 'SIGNATURE_MALFORMED', reason: 'CREDENTIAL_WRONG' })
  })

  test('an empty header is none', () => {
    expect(send('')).toMatchObject({ kind: 'refused', code: 'SIGNATURE_MISSING' })
  })
})

describe('while secrets rotate', () => {
  const at = (ms: number) => new Date(ms)
  const sent = { body: 'body', headers: { 'x-signature': createHmac('sha256', 'old').update('body').digest('hex') } }

  test('each of five secrets is tried', () => {
    const secrets = ['1', '2', '3', '4', 'old'].map((text) => ({ text, expiresAt: null }))
    expect(verify(generic({}), secrets, sent)).toMatchObject(verified)
  })

  test('a secret ends at its time, also in a verifier that was made before', () => {
    const verifier = createVerifier(generic({}), [
      { text: 'new', expiresAt: null },
      { text: 'old', expiresAt: at(nowMs) },
    ])
    const request = { method: 'POST', url, query: null, headers: sent.headers, body: Buffer.from('body') }
    expect(verifier.verify(request, nowMs - 1)).toMatchObject(verified)
    expect(verifier.verify(request, nowMs)).toMatchObject({ code: 'SIGNATURE_WRONG' })
  })

  test.each([[[]], [[{ text: 'old', expiresAt: at(nowMs) }]]])(
    'without an active secret all is refused, with the reason',
    (secrets) => {
      const verdict = verify(generic({}), secrets, sent)
      expect(verdict).toMatchObject({
        kind: 'refused',
        status: 401,
        detail: expect.stringContaining('no active secret'),
      })
    },
  )

  test("Stripe's header with one signature per secret is verified by either", () => {
    const make = (secret: string) =>
      Stripe.webhooks.generateTestHeaderString({ payload: '{}', secret, timestamp: Number(seconds) })
    const both = `${make('whsec_1')},${make('whsec_2').split(',')[1]}`
    for (const secret of ['whsec_1', 'whsec_2']) {
      expect(verify(preset('STRIPE'), secret, { body: '{}', headers: { 'stripe-signature': both } })).toMatchObject(
        verified,
      )
    }
  })
})

describe('many signatures in one header', () => {
  const secret = generateSecret(preset('STANDARD_WEBHOOKS')) ?? ''
  const good = new Webhook(secret).sign('msg_1', new Date(nowMs), '{}')
  const bad = `v1,${Buffer.alloc(32).toString('base64')}`
  const send = (signature: string) =>
    verify(preset('STANDARD_WEBHOOKS'), secret, {
      body: '{}',
      headers: { 'webhook-id': 'msg_1', 'webhook-timestamp': seconds, 'webhook-signature': signature },
    })

  test('one good one suffices', () => {
    expect(send(`${bad} ${good}`)).toMatchObject(verified)
    expect(send(`v1a,zzz v2,abc ${good}`)).toMatchObject(verified)
    expect(send(`${Array(99).fill(bad).join(' ')} ${good}`)).toMatchObject(verified)
  })

  test('of a thousand only the first hundred are looked at', () => {
    expect(send(`${Array(1_000).fill(bad).join(' ')} ${good}`)).toMatchObject({ code: 'SIGNATURE_WRONG' })
  })

  test.each([
    { secrets: 1, place: 10 },
    { secrets: 5, place: 2 },
  ])('with $secrets public keys the first $place are looked at: each costs a verification', ({ secrets, place }) => {
    const pairs = Array.from({ length: secrets }, () => generateKeyPairSync('ed25519'))
    const texts = pairs.map(({ publicKey }) => Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url'))
    const active = texts.map((text) => ({ text: text.toString('hex'), expiresAt: null }))
    const last = pairs.at(-1)
    const valid = last === undefined ? '' : sign(null, Buffer.from('{}'), last.privateKey).toString('hex')
    const sendAt = (position: number) => {
      const header = [...Array(position - 1).fill('0'.repeat(128)), valid].join(' ')
      return verify(generic({ algorithm: 'ED25519' }), active, { body: '{}', headers: { 'x-signature': header } })
    }
    expect(sendAt(place)).toMatchObject(verified)
    expect(sendAt(place + 1)).toMatchObject({ code: 'SIGNATURE_WRONG' })
  })
})

test('a refusal shows the form of a signature, and of each value at most four characters', () => {
  const hex = 'abcdef0123456789'.repeat(4)
  const shown = (presetName: VerificationPreset, headers: Record<string, string>) => {
    const verdict = verify(
      preset(presetName),
      presetName === 'SVIX' ? 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' : 'key',
      { headers },
    )
    return verdict.kind === 'refused' ? verdict.signature : 'not refused'
  }
  expect(shown('GITHUB', { 'x-hub-signature-256': `sha256=${hex}` })).toBe('sha256=abcd…')
  expect(shown('STRIPE', { 'stripe-signature': `t=${seconds},v1=${hex},v0=${hex}` })).toBe('t=1700…,v1=abcd…,v0=abcd…')
  expect(
    shown('SVIX', {
      'svix-id': 'a',
      'svix-timestamp': seconds,
      'svix-signature': 'v1,g0hM9SsE+OTPJTGt= v1a,hnO3f9T8Ytu9',
    }),
  ).toBe('v1,g0hM… v1a,hnO3…')
  expect(shown('GITLAB', { 'x-gitlab-token': 'a wrong token' })).toBeNull()
  const many = shown('GITHUB', { 'x-hub-signature-256': Array(1_000).fill(`sha256=${hex}`).join(', ') }) ?? ''
  expect(many.length).toBeLessThan(200)
})

describe('secrets', () => {
  const publicKey = 'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4='
  const whsec = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

  test.each([
    [preset('GITHUB'), 'any text', null],
    [preset('GITHUB'), '', expect.any(String)],
    [preset('GITHUB'), 'x'.repeat(1_001), expect.any(String)],
    [preset('STANDARD_WEBHOOKS'), whsec, null],
    [preset('STANDARD_WEBHOOKS'), publicKey, null],
    [preset('STANDARD_WEBHOOKS'), 'whsec_wronglength', expect.any(String)],
    [preset('SVIX'), 'w', expect.any(String)],
    [preset('GITLAB'), whsec, null],
    [preset('GITLAB'), 'a token', null],
    [preset('DISCORD'), 'ab'.repeat(32), null],
    [preset('DISCORD'), 'ab'.repeat(31), expect.any(String)],
    [preset('MICROSOFT_GRAPH'), 'x'.repeat(256), expect.any(String)],
    [generic({ algorithm: 'ED25519' }), publicKey, null],
    [generic({ algorithm: 'ED25519' }), whsec, expect.any(String)],
    [{ scheme: 'BEARER' }, 'a-token-of-24-characters', null],
    [{ scheme: 'BEARER' }, 'too short', expect.any(String)],
    [{ scheme: 'BEARER' }, 'a token with blanks in it', expect.any(String)],
    [{ scheme: 'API_KEY', header: 'x' }, 'key\nkey', expect.any(String)],
    [{ scheme: 'BASIC', username: 'u' }, 'pass\u0000', expect.any(String)],
  ] as const)('%j with the secret %.40j', (rules, text, complaint) => {
    expect(checkSecret(rules, text)).toEqual(complaint)
  })

  test('a generated secret fits its scheme; where the sender makes it there is none', () => {
    const schemes: VerificationRules[] = [
      preset('GITHUB'),
      preset('GITLAB'),
      preset('STANDARD_WEBHOOKS'),
      preset('MICROSOFT_GRAPH'),
      generic({}),
      { scheme: 'API_KEY', header: 'x' },
      { scheme: 'BEARER' },
      { scheme: 'BASIC', username: 'u' },
    ]
    for (const rules of schemes) {
      const secret = generateSecret(rules) ?? ''
      expect(secret.length).toBeGreaterThan(40)
      expect(checkSecret(rules, secret)).toBeNull()
      expect(generateSecret(rules)).not.toBe(secret)
    }
    for (const rules of [preset('DISCORD'), preset('STRIPE'), generic({ algorithm: 'ED25519' })]) {
      expect(generateSecret(rules)).toBeNull()
    }
  })
})

test('the presets say where events have their attributes', () => {
  const mapping = { id: { header: 'X-GitHub-Delivery' }, type: { header: 'X-GitHub-Event' }, subject: null }
  expect(mappingOfPreset('GITHUB')).toEqual(mapping)
  expect(mappingOfPreset('STRIPE')).toMatchObject({ id: { pointer: '/id' }, type: { pointer: '/type' } })
})
