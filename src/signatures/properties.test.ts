import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { providerRequests } from '../../test/support/provider-requests.ts'
import {
  createVerifier,
  presetDescriptions,
  type SignatureFormat,
  type VerifiableRequest,
  type VerificationPreset,
  type VerificationRules,
} from './index.ts'

const nowMs = 1_700_000_000_000
const presetNames = Object.keys(presetDescriptions) as VerificationPreset[]
const list: SignatureFormat = {
  algorithm: 'HMAC_SHA256',
  content: '{timestamp}.{body}',
  header: 'X-Signature',
  prefix: null,
  parameter: 'v1',
  encoding: 'HEX',
  idHeader: null,
  timestampHeader: null,
  timestampParameter: 't',
  toleranceMs: 300_000,
}

const headerNames = [
  ...new Set(providerRequests.flatMap(({ proof }) => (proof === null ? [] : [proof]))),
  'authorization',
  'content-type',
  'x-signature',
  'webhook-id',
  'webhook-timestamp',
  'x-slack-request-timestamp',
  'x-signature-timestamp',
]
const junk = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.stringMatching(/^(?:v[01]a?|sha256|t|ts|h1)[=,][0-9a-zA-Z+/=]{0,90}$/),
  fc.constantFrom(
    '__proto__',
    'v1,',
    't=,v1=',
    'Bearer ',
    'Basic ====',
    '1700000000',
    'application/x-www-form-urlencoded',
  ),
)
const headers = fc.dictionary(fc.constantFrom(...headerNames), fc.oneof(junk, fc.array(junk, { maxLength: 5 })))
const bodies = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  fc.json().map((text) => Buffer.from(text)),
  fc.constantFrom(Buffer.from('{"value":[{"clientState":1}]}'), Buffer.from('['.repeat(100_000))),
)
const secrets = fc.array(
  fc.record({
    text: fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('key', 'whpk_', '00'.repeat(32))),
    expiresAt: fc.option(fc.date()),
  }),
  { maxLength: 5 },
)
const schemes: fc.Arbitrary<VerificationRules> = fc.oneof(
  fc.constantFrom(...presetNames).map((preset) => ({ scheme: 'PRESET' as const, preset, verifyToken: 'token' })),
  fc.constantFrom<VerificationRules>(
    { scheme: 'SIGNATURE', format: list },
    { scheme: 'SIGNATURE', format: { ...list, algorithm: 'ED25519', encoding: 'BASE64' } },
    { scheme: 'API_KEY', header: '__proto__' },
    { scheme: 'API_KEY', header: 'authorization' },
    { scheme: 'BEARER' },
    { scheme: 'BASIC', username: '' },
  ),
)
const requests = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT'),
  url: fc.oneof(fc.webUrl({ withQueryParameters: true }), fc.string()),
  query: fc.option(
    fc.oneof(fc.string(), fc.constantFrom('%', 'challenge=%FF', 'bodySHA256=é', 'hub.verify_token=token')),
  ),
  headers,
  body: bodies,
})

test('whatever comes, verification answers and never throws', () => {
  fc.assert(
    fc.property(schemes, secrets, requests, (rules, active, request) => {
      const verdict = createVerifier(rules, active).verify(request, nowMs)
      expect(['verified', 'answered', 'refused']).toContain(verdict.kind)
      if (verdict.kind === 'answered') expect(verdict.body.length).toBeLessThanOrEqual(1_024)
    }),
    { numRuns: 3_000 },
  )
})

test('a list of k=v is read wherever signature and time stand in it', () => {
  const key = fc.stringMatching(/^[a-z]{1,5}$/).filter((name) => name !== 't')
  const others = fc.array(fc.tuple(key, fc.stringMatching(/^[0-9a-z=]{0,70}$/)), { maxLength: 8 })
  const hex = createHmac('sha256', 'key').update('1700000000.body').digest('hex')
  const verifier = createVerifier({ scheme: 'SIGNATURE', format: list }, [{ text: 'key', expiresAt: null }])
  const property = fc.property(
    others,
    fc.constantFrom(',', ', ', ';', ' '),
    fc.nat(),
    fc.nat(),
    (pairs, separator, a, b) => {
      const items = pairs.map((pair) => pair.join('='))
      items.splice(a % (items.length + 1), 0, `v1=${hex}`)
      items.splice(b % (items.length + 1), 0, 't=1700000000')
      const request = { method: 'POST', url: '', query: null, body: Buffer.from('body') }
      const verdict = verifier.verify({ ...request, headers: { 'x-signature': items.join(separator) } }, nowMs)
      expect(verdict).toMatchObject({ kind: 'verified' })
    },
  )
  fc.assert(property)
})

const signed = providerRequests.filter((row) => row.coversBody)

test.each(signed.map((row) => [row.preset, row.form ?? '', row] as const))(
  'one flipped bit in body or signature is refused: %s %s',
  async (preset, _form, row) => {
    const rowHeaders = await row.headers
    const name = row.proof ?? ''
    const verifier = createVerifier({ scheme: 'PRESET', preset, verifyToken: null }, [
      { text: row.secret, expiresAt: null },
    ])
    const url = row.url ?? 'https://hooks.example/in/token?a=1&b=2'
    const request: VerifiableRequest = {
      method: 'POST',
      url,
      query: new URL(url).search.slice(1),
      headers: rowHeaders,
      body: Buffer.from(row.body),
    }
    expect(verifier.verify(request, row.atMs)).toMatchObject({ kind: 'verified' })
    const flips = fc.property(fc.nat(), fc.nat({ max: 7 }), (position, bit) => {
      const body = flipped(request.body, position, bit)
      if (!isSameForm(body, request.body)) {
        expect(verifier.verify({ ...request, body }, row.atMs)).toMatchObject({ kind: 'refused' })
      }
      const header = flipped(Buffer.from(rowHeaders[name] ?? '', 'latin1'), position, bit).toString('latin1')
      // Hexadecimal digits mean the same in upper case.
      if (header.toLowerCase() !== rowHeaders[name]?.toLowerCase() || !/[0-9a-f]{64}$/.test(rowHeaders[name] ?? '')) {
        const verdict = verifier.verify({ ...request, headers: { ...rowHeaders, [name]: header } }, row.atMs)
        expect(verdict).toMatchObject({ kind: 'refused' })
      }
    })
    fc.assert(flips, { numRuns: 300 })
  },
)

function flipped(bytes: Buffer, position: number, bit: number): Buffer {
  const copy = Buffer.from(bytes)
  const index = position % copy.length
  copy[index] = (copy[index] ?? 0) ^ (1 << bit)
  return copy
}

/** Twilio signs the fields of a form, so two spellings of the same fields are one. */
function isSameForm(one: Buffer, other: Buffer): boolean {
  const fieldsOf = (body: Buffer) => [...new URLSearchParams(body.toString()).entries()].flat().join('')
  return one[0] !== 0x7b && fieldsOf(one) === fieldsOf(other)
}
