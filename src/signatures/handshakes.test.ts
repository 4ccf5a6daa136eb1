import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { expect, test } from 'vitest'
import { createVerifier, type Verdict, type VerificationPreset } from './index.ts'

const nowMs = 1_700_000_000_000
const seconds = '1700000000'

interface Question {
  readonly preset: VerificationPreset
  readonly secret?: string
  readonly verifyToken?: string | null
  readonly method?: string
  readonly query?: string
  readonly headers?: Record<string, string>
  readonly body?: string
}

function ask({ preset, secret = 'secret', verifyToken = null, ...request }: Question): Verdict {
  const query = request.query ?? null
  const url = `https://hooks.example/in/token${query === null ? '' : `?${query}`}`
  return createVerifier({ scheme: 'PRESET', preset, verifyToken }, [{ text: secret, expiresAt: null }]).verify(
    {
      method: request.method ?? 'POST',
      url,
      query,
      headers: request.headers ?? {},
      body: Buffer.from(request.body ?? ''),
    },
    nowMs,
  )
}

function signed(header: string, body: string): Record<string, string> {
  const digest = createHmac('sha256', 'secret').update(`v0:${seconds}:${body}`).digest('hex')
  return header === 'x-zm-signature'
    ? { 'x-zm-signature': `v0=${digest}`, 'x-zm-request-timestamp': seconds }
    : { 'x-slack-signature': `v0=${digest}`, 'x-slack-request-timestamp': seconds }
}

const echo = (body: string) => ({
  kind: 'answered',
  status: 200,
  headers: {
    'content-type': 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
  },
  body,
})

test("Dropbox's challenge is repeated as plain text that no browser sniffs", () => {
  expect(ask({ preset: 'DROPBOX', method: 'GET', query: 'challenge=abc123' })).toEqual(echo('abc123'))
  const script = 'challenge=%3Cscript%3Ealert(1)%3C%2Fscript%3E'
  expect(ask({ preset: 'DROPBOX', method: 'GET', query: script })).toEqual(echo('<script>alert(1)</script>'))
})

test('a challenge of 1,024 characters is repeated, a longer or empty one is no challenge', () => {
  const longest = 'x'.repeat(1_024)
  expect(ask({ preset: 'DROPBOX', method: 'GET', query: `challenge=${longest}` })).toEqual(echo(longest))
  for (const query of [`challenge=${longest}x`, 'challenge=', 'other=1']) {
    const verdict = ask({ preset: 'DROPBOX', method: 'GET', query })
    expect(verdict).toMatchObject({ kind: 'refused', code: 'SIGNATURE_MISSING' })
  }
})

test('a challenge in a POST is no challenge of Dropbox', () => {
  expect(ask({ preset: 'DROPBOX', query: 'challenge=abc' })).toMatchObject({ kind: 'refused' })
})

test("Microsoft Graph's validation token is repeated as decoded", () => {
  const query = 'validationToken=Validation%3A+Testing+client+application+reachability+%26+%C3%A9'
  const token = 'Validation: Testing client application reachability & é'
  expect(ask({ preset: 'MICROSOFT_GRAPH', query })).toEqual(echo(token))
  expect(ask({ preset: 'MICROSOFT_GRAPH', query, method: 'GET' })).toMatchObject({ kind: 'refused' })
})

test('Meta gets its challenge back only with the token that was agreed on', () => {
  const question = { preset: 'META', method: 'GET', verifyToken: 'meatyhamhock' } as const
  const query = 'hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=meatyhamhock'
  expect(ask({ ...question, query })).toEqual(echo('1158201444'))
  const refused = { kind: 'refused', status: 403, reason: 'CREDENTIAL_WRONG', code: 'CREDENTIAL_WRONG' }
  expect(ask({ ...question, query: query.replace('meaty', 'lean') })).toMatchObject(refused)
  expect(ask({ ...question, query: query.replace('subscribe', 'unsubscribe') })).toMatchObject(refused)
  expect(ask({ ...question, query, verifyToken: null })).toMatchObject(refused)
  expect(ask({ ...question, query: 'hub.mode=subscribe' })).toMatchObject({ status: 403, code: 'CREDENTIAL_MISSING' })
  expect(ask({ ...question })).toMatchObject({ status: 403, code: 'CREDENTIAL_MISSING' })
})

test("Slack's url_verification is answered once its signature holds, and not before", () => {
  const body =
    '{"token":"x","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}'
  const headers = signed('x-slack-signature', body)
  const challenge = '3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P'
  expect(ask({ preset: 'SLACK', body, headers })).toEqual(echo(challenge))
  expect(ask({ preset: 'SLACK', body, headers, secret: 'other' })).toMatchObject({ code: 'SIGNATURE_WRONG' })
  expect(ask({ preset: 'SLACK', body })).toMatchObject({ code: 'SIGNATURE_MISSING' })
  const event = '{"type":"event_callback","event":{"type":"message","text":"url_verification"}}'
  const verdict = ask({ preset: 'SLACK', body: event, headers: signed('x-slack-signature', event) })
  expect(verdict).toMatchObject({ kind: 'verified' })
})

test("Zoom's plain token is bounded too", () => {
  const body = JSON.stringify({ event: 'endpoint.url_validation', payload: { plainToken: 'x'.repeat(1_025) } })
  expect(ask({ preset: 'ZOOM', body, headers: signed('x-zm-signature', body) })).toMatchObject({ kind: 'verified' })
})

test('a signed PING of Discord is answered in kind, an event is not', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const secret = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url').toString('hex')
  const send = (body: string, signedBody = body) => {
    const signature = sign(null, Buffer.from(seconds + signedBody), privateKey).toString('hex')
    const headers = { 'x-signature-ed25519': signature, 'x-signature-timestamp': seconds }
    return ask({ preset: 'DISCORD', secret, body, headers })
  }
  const json = { 'content-type': 'application/json' }
  expect(send('{"type":1}')).toMatchObject({ kind: 'answered', status: 200, body: '{"type":1}', headers: json })
  expect(send('{"version":1,"type":0}')).toMatchObject({ kind: 'answered', status: 204, body: '' })
  expect(send('{"type":2,"id":"1"}')).toMatchObject({ kind: 'verified' })
  expect(send('{"type":1,"event":{"type":"APPLICATION_AUTHORIZED"}}')).toMatchObject({ kind: 'verified' })
  // Discord probes with wrong signatures and turns down addresses that accept them.
  expect(send('{"type":1}', '{"type":2}')).toMatchObject({ kind: 'refused', status: 401, code: 'SIGNATURE_WRONG' })
})
