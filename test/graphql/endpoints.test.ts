import { afterAll, beforeAll, expect, test } from 'vitest'
import { codesOf, dataOf, type Loose, run } from './client.ts'
import { type Gateway, type Project, startGateway } from './gateway.ts'

let gateway: Gateway
let project: Project
let target: { baseUrl: string; token: string }
beforeAll(async () => {
  gateway = await startGateway()
  project = await gateway.newProject()
  target = { baseUrl: gateway.baseUrl, token: (await project.key(['manage'])).token }
})
afterAll(() => gateway.close())

const url = 'https://receiver.example/'
const fields = `id labels method filter payloadFormat headers { name value } authentication { scheme username header }
  signing secrets { hint publicKey expiresAt } retryPolicy { delaysMs jitterPercent finalStatuses } timeoutMs
  rateLimit { count windowMs } maxConcurrency isOrdered disableAfterHours`
const issues = '... on ValidationError { issues { code path } }'

async function mutate(name: string, input: object, to = target): Promise<Loose> {
  const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}`
  const payload = name === 'createEndpoint' ? 'CreateEndpointPayload' : 'EndpointPayload'
  const shown = name === 'createEndpoint' ? 'secret publicKey' : ''
  const query = `mutation ($input: ${type}Input!) {
    ${name}(input: $input) { __typename ${issues} ... on ${payload} { endpoint { ${fields} } ${shown} } }
  }`
  return (await dataOf(to, query, { input }))[name]
}

const defaults = {
  labels: [],
  method: 'POST',
  filter: null,
  payloadFormat: 'EXACT',
  headers: [],
  authentication: null,
  signing: 'STANDARD_WEBHOOKS',
  retryPolicy: {
    delaysMs: [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400].map((seconds) => seconds * 1_000),
    jitterPercent: 20,
    finalStatuses: [],
  },
  timeoutMs: 15_000,
  rateLimit: null,
  maxConcurrency: null,
  isOrdered: false,
  disableAfterHours: 120,
}

const chosen = {
  labels: ['shop', 'north'],
  method: 'PUT',
  filter: { all: [{ types: ['order.*'] }, { not: { data: { pointer: '/test', value: true } } }] },
  payloadFormat: 'ENVELOPE',
  timeoutMs: 5_000,
  rateLimit: { count: 5, windowMs: 2_000 },
  maxConcurrency: 3,
  isOrdered: true,
  disableAfterHours: null,
}

test('an endpoint of which only the URL is said shows the defaults', async () => {
  const { endpoint, secret, publicKey } = await mutate('createEndpoint', { url })
  expect(endpoint).toMatchObject({
    ...defaults,
    secrets: [{ hint: secret.slice(-4), publicKey: null, expiresAt: null }],
  })
  expect(publicKey).toBeNull()
})

test('what an endpoint is told is shown again, but for its secrets', async () => {
  const { endpoint } = await mutate('createEndpoint', {
    ...chosen,
    url,
    headers: [
      { name: 'X-Shop', value: 'north' },
      { name: 'X-Given', value: 'hidden 1', isSecret: true },
      { name: 'X-Auth-Token', value: 'hidden 2' },
    ],
    authentication: { basic: { username: 'ann', password: 'hidden 3' } },
    retryPolicy: { backoff: { exponential: {} }, jitterPercent: 5, finalStatuses: [404] },
  })
  const expected = {
    ...chosen,
    headers: [
      { name: 'X-Shop', value: 'north' },
      { name: 'X-Given', value: '[redacted]' },
      { name: 'X-Auth-Token', value: '[redacted]' },
    ],
    authentication: { scheme: 'BASIC', username: 'ann', header: null },
    retryPolicy: { delaysMs: [1_000, 2_000, 4_000, 8_000, 16_000], jitterPercent: 5, finalStatuses: [404] },
  }
  expect(endpoint).toMatchObject(expected)
  const query = `query ($id: ID!) { endpoint(id: $id) { ${fields} } }`
  expect((await dataOf(target, query, { id: endpoint.id })).endpoint).toEqual(endpoint)

  const changed = await mutate('updateEndpoint', {
    id: endpoint.id,
    authentication: { apiKey: { header: 'X-Key', value: 'hidden 4' } },
    retryPolicy: null,
    filter: null,
  })
  expect(changed.endpoint).toMatchObject({
    ...expected,
    filter: null,
    authentication: { scheme: 'API_KEY', username: null, header: 'X-Key' },
    retryPolicy: defaults.retryPolicy,
  })
})

test('a number in a filter keeps all of its digits', async () => {
  const filter = '{ data: { pointer: "/id", value: 12345678901234567890 } }'
  const query = `mutation { createEndpoint(input: { url: "${url}", filter: ${filter} }) {
    ... on CreateEndpointPayload { endpoint { id filter } }
  } }`
  const response = await fetch(`${target.baseUrl}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${target.token}` },
    body: JSON.stringify({ query }),
  })
  expect(await response.text()).toContain('"value":12345678901234567890')
})

test('a filter of no known dialect is refused', async () => {
  const query = 'mutation ($input: CreateEndpointInput!) { createEndpoint(input: $input) { __typename } }'
  for (const filter of [{ sql: "a = 'b'" }, { types: ['a'], exact: { name: 'a', value: 'b' } }]) {
    expect(codesOf(await run(target, query, { input: { url, filter } }))).toContain('BAD_USER_INPUT')
  }
  const { issues: found } = await mutate('createEndpoint', { url, filter: { any: [] } })
  expect(found).toEqual([{ code: 'REQUIRED', path: ['input', 'filter', 'any'] }])
})

test('an ed25519 endpoint shows the public key, and its scheme changes with its secret', async () => {
  const { endpoint, secret, publicKey } = await mutate('createEndpoint', { url, signing: 'STANDARD_WEBHOOKS_ED25519' })
  expect(secret).toMatch(/^whsk_/)
  expect(endpoint.secrets).toMatchObject([{ publicKey }])
  const query = `mutation ($input: RotateSecretInput!) { rotateSecret(input: $input) {
    __typename ${issues} ... on RotateSecretPayload { secret secrets { hint publicKey expiresAt } }
  } }`
  const rotate = async (input: object) => (await dataOf(target, query, { input })).rotateSecret
  const rotated = await rotate({ ownerId: endpoint.id, signing: 'PLAIN_SHA256' })
  expect(rotated.secrets).toMatchObject([
    { hint: rotated.secret.slice(-4), publicKey: null, expiresAt: null },
    { publicKey, expiresAt: expect.stringMatching(/Z$/) },
  ])
  const { endpoint: shown } = await dataOf(target, `{ endpoint(id: "${endpoint.id}") { signing secrets { hint } } }`)
  expect(shown).toMatchObject({ signing: 'PLAIN_SHA256', secrets: { length: 2 } })
  const source = await project.source('rotating')
  expect(await rotate({ ownerId: source.id, signing: 'PLAIN_SHA256' })).toMatchObject({
    issues: [{ code: 'MALFORMED', path: ['input', 'signing'] }],
  })
})

test('endpoints are listed by label, source and state, those of other projects never', async () => {
  const own = await gateway.newProject()
  const from = { ...target, token: (await own.key(['manage'])).token }
  const source = await own.source('orders')
  const { endpoint } = await mutate('createEndpoint', { url, labels: ['a'], sourceIds: [source.id] }, from)
  await mutate('createEndpoint', { url, labels: ['b'] }, from)
  const query = `query ($filter: EndpointFilter) { endpoints(filter: $filter, first: 1) {
    totalCount nodes { id } pageInfo { hasNextPage }
  } }`
  const list = async (filter: object, by = from) => (await dataOf(by, query, { filter })).endpoints
  const found = { totalCount: 1, nodes: [{ id: endpoint.id }], pageInfo: { hasNextPage: false } }
  expect(await list({ label: 'a' })).toEqual(found)
  expect(await list({ label: 'a', sourceId: source.id, statuses: ['ACTIVE'] })).toEqual(found)
  expect(await list({ sourceId: source.id })).toMatchObject({ totalCount: 2, pageInfo: { hasNextPage: true } })
  expect(await list({ statuses: ['DISABLED', 'PAUSED'] })).toMatchObject({ totalCount: 0, nodes: [] })
  expect(await list({ sourceId: source.id }, target)).toMatchObject({ totalCount: 0, nodes: [] })
})

test('who may only read sees no secrets', async () => {
  const { endpoint } = await mutate('createEndpoint', { url })
  const reader = { ...target, token: (await project.key(['read'])).token }
  const read = (selection: string) => run(reader, `{ endpoint(id: "${endpoint.id}") { ${selection} } }`)
  expect((await read('signing')).data).toEqual({ endpoint: { signing: 'STANDARD_WEBHOOKS' } })
  expect(codesOf(await read('secrets { hint }'))).toEqual(['FORBIDDEN'])
})

test('a page of endpoints reads their secrets and sources at once', async () => {
  const query = `{ endpoints(first: 100) { nodes { ${fields} sources { id } } } }`
  const statements = await gateway.statementsOf(() => dataOf(target, query))
  expect(statements.filter((text) => /from "?secrets"?/.test(text))).toHaveLength(1)
  expect(statements.filter((text) => /from "?endpoint/.test(text))).toHaveLength(1)
})
