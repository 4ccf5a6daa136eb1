import { serverAudits } from 'graphql-http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { codesOf, post, run, type Target } from './client.ts'
import { type Gateway, startGateway } from './gateway.ts'

let gateway: Gateway
let target: Target
beforeAll(async () => {
  gateway = await startGateway()
  const { token } = await (await gateway.newProject()).key(['admin'])
  target = { baseUrl: gateway.baseUrl, token }
})
afterAll(() => gateway.close())

describe('the audits of graphql-http hold', () => {
  const audits = serverAudits({
    url: () => `${gateway.baseUrl}/graphql`,
    fetchFn: (url: string, init: RequestInit = {}) =>
      fetch(url, { ...init, headers: { ...init.headers, authorization: `Bearer ${target.token}` } }),
  })
  for (const audit of audits) {
    test(audit.name, async () => {
      const result = await audit.fn()
      expect('reason' in result ? result.reason : result.status).toBe('ok')
    })
  }
})

test('without a key, or with one that is not known, nothing is answered but 401', async () => {
  for (const token of [null, 'hk_nonsense', `hk_${'0'.repeat(26)}_${'A'.repeat(43)}`]) {
    for (const query of ['{ __typename }', '{ __schema { types { name } } }', '{ nonsense }', '{']) {
      const response = await post({ ...target, token }, { query })
      expect(response.status).toBe(401)
      expect(response.headers.get('www-authenticate')).toBe('Bearer')
      expect(codesOf((await response.json()) as object)).toEqual(['UNAUTHENTICATED'])
    }
  }
})

test('GraphiQL loads for everybody, cannot be framed, and offers the header for a key', async () => {
  const response = await fetch(`${gateway.baseUrl}/graphql`, { headers: { accept: 'text/html' } })
  expect(response.status).toBe(200)
  expect(response.headers.get('x-frame-options')).toBe('DENY')
  const page = await response.text()
  expect(page).toContain('Bearer <key>')
  expect(page).toContain('CreateSource')
})

test('a mutation by GET answers 405 and changes nothing', async () => {
  const query = encodeURIComponent('mutation { createSource(input: { name: "by-get" }) { __typename } }')
  const response = await fetch(`${gateway.baseUrl}/graphql?query=${query}`, {
    headers: { authorization: `Bearer ${target.token}` },
  })
  expect(response.status).toBe(405)
  expect(response.headers.get('allow')).toBe('POST')
  expect(await run(target, '{ source(by: { name: "by-get" }) { id } }')).toEqual({ data: { source: null } })
})

test.each([
  ['text that is not JSON', '{"query":', 400],
  ['null', 'null', 400],
  ['a list: there are no batches', '[{"query":"{ __typename }"}]', 400],
  ['a number', '1', 400],
  ['no query', '{}', 400],
  ['a query of another type', '{"query":1}', 400],
  ['variables of another type', '{"query":"{ __typename }","variables":"x"}', 400],
  ['variables in a list', '{"query":"{ __typename }","variables":[]}', 400],
  ['an operation name of another type', '{"query":"{ __typename }","operationName":{}}', 400],
  ['an unknown parameter', '{"query":"{ __typename }","extra":1}', 400],
])('a body of %s is refused', async (_name, body, status) => {
  const response = await post(target, body)
  expect(response.status).toBe(status)
  expect(codesOf((await response.json()) as object)).toEqual(['BAD_USER_INPUT'])
})

test.each(['variables={', 'extensions={', 'variables=[]', 'operationName=x'])(
  'a GET with %s is refused',
  async (part) => {
    const response = await fetch(`${gateway.baseUrl}/graphql?query={__typename}&${part}`, {
      headers: { authorization: `Bearer ${target.token}`, accept: 'application/graphql-response+json' },
    })
    expect(response.status).toBe(400)
    expect(codesOf((await response.json()) as object)).toEqual(['BAD_USER_INPUT'])
  },
)

test.each([
  ['application/json', 406],
  ['application/graphql-response+json', 406],
  ['image/png', 406],
  ['nonsense', 406],
  ['application/json, text/event-stream', 200],
])('a subscription for a client that accepts %s answers %i', async (accept, status) => {
  const controller = new AbortController()
  const response = await fetch(`${gateway.baseUrl}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${target.token}`, accept },
    body: JSON.stringify({ query: 'subscription { deliveryUpdated { id } }' }),
    signal: controller.signal,
  })
  expect(response.status).toBe(status)
  // A proxy that gathers what it passes on would hold events back.
  if (status === 200) expect(response.headers.get('x-accel-buffering')).toBe('no')
  controller.abort()
})

test('a body of over a megabyte answers 413, announced or not', async () => {
  const large = JSON.stringify({ query: `{ __typename } #${'x'.repeat(1_100_000)}` })
  expect((await post(target, large)).status).toBe(413)
  const chunked = await fetch(`${gateway.baseUrl}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${target.token}` },
    body: new Blob([large]).stream(),
    duplex: 'half',
  } as RequestInit)
  expect(chunked.status).toBe(413)
})

test.each(['application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'text/plain'])(
  'what a form on another site can send (%s) is not read',
  async (type) => {
    const response = await post(target, 'query={__typename}', { 'content-type': type })
    expect(response.status).toBe(415)
  },
)

test('pages of other origins are not let in', async () => {
  const response = await fetch(`${gateway.baseUrl}/graphql`, {
    method: 'OPTIONS',
    headers: { origin: 'https://elsewhere.example', 'access-control-request-method': 'POST' },
  })
  expect(response.headers.get('access-control-allow-origin')).toBeNull()
})
