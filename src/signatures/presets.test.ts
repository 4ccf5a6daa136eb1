import { createRequire } from 'node:module'
import { sign as signGithub } from '@octokit/webhooks-methods'
import { describe, expect, test } from 'vitest'
import {
  address,
  askZoom,
  common,
  hmac,
  now,
  type ProviderRequest,
  providerRequests,
  seconds,
} from '../../test/support/provider-requests.ts'
import { createVerifier, presetDescriptions, type VerifiableRequest } from './index.ts'

interface Changes {
  readonly body?: string
  readonly headers?: Record<string, string | string[]>
  readonly secret?: string
  readonly atMs?: number
}

async function verdictOf(row: ProviderRequest, changes: Changes = {}) {
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

function isToken(row: ProviderRequest): boolean {
  return row.proof === null || row.proof === 'x-gitlab-token'
}

const hexadecimal = ['DISCORD', 'DROPBOX', 'GITHUB', 'LINEAR', 'META', 'PADDLE', 'SLACK', 'STRIPE', 'ZOOM']
const wrongCode = (row: ProviderRequest) => (isToken(row) ? 'CREDENTIAL_WRONG' : 'SIGNATURE_WRONG')
const missingCode = (row: ProviderRequest) => (isToken(row) ? 'CREDENTIAL_MISSING' : 'SIGNATURE_MISSING')

test('every provider of the API is in the table', () => {
  expect([...new Set(providerRequests.map((row) => row.preset))].sort()).toEqual(Object.keys(presetDescriptions).sort())
})

describe.each(
  providerRequests.map((row) => [`${row.preset}${row.form === undefined ? '' : ` (${row.form})`}`, row] as const),
)('%s', (_name, row) => {
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
    expect(verdict).toMatchObject({ kind: 'refused', reason: 'CREDENTIAL_WRONG', code: wrongCode(row) })
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

  test.runIf(hexadecimal.includes(row.preset))('hexadecimal digits may be upper-case', async () => {
    const headers = await row.headers
    const name = row.proof ?? ''
    const upper = (headers[name] ?? '').replace(/[0-9a-f]{64,128}$/, (digits) => digits.toUpperCase())
    expect(upper).not.toBe(headers[name])
    expect(await verdictOf(row, { headers: { ...headers, [name]: upper } })).toMatchObject({ kind: 'verified' })
  })
})

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
  const row: ProviderRequest = {
    ...common,
    preset: 'ZOOM',
    secret: 'zoom secret',
    body,
    headers,
    proof: 'x-zm-signature',
  }
  const verdict = await verdictOf(row)
  expect(verdict).toMatchObject({ kind: 'answered', status: 200 })
  const answered = verdict.kind === 'answered' ? verdict.body : ''
  expect(JSON.parse(answered)).toEqual(JSON.parse((await askZoom(body, headers)).body))
  expect(await verdictOf(row, { secret: 'another' })).toMatchObject({ kind: 'refused' })
})
