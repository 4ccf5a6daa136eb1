import { afterAll, beforeAll, expect, test } from 'vitest'
import { codesOf, dataOf, type Loose, run, type Target } from './client.ts'
import { type Gateway, type Project, startGateway } from './gateway.ts'

let gateway: Gateway
let project: Project
let target: Target
beforeAll(async () => {
  gateway = await startGateway()
  project = await gateway.newProject()
  target = { baseUrl: gateway.baseUrl, token: (await project.key(['admin'])).token }
})
afterAll(() => gateway.close())

/** The answer of one mutation, errors of its result union included. */
async function mutate(name: string, input: object, payload = ''): Promise<Loose> {
  const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}Input`
  const query = `mutation ($input: ${type}!) { ${name}(input: $input) {
    __typename ${payload}
    ... on UserError {
      message code path
      ... on NotFoundError { id }
      ... on NameTakenError { name }
      ... on ValidationError { issues { code message path } }
    }
  } }`
  return (await dataOf(target, query, { input }))[name]
}

const sourcePayload = '... on SourcePayload { source { id name ingressUrl maxBodyBytes verification { preset } } }'
const endpointPayload = '... on CreateEndpointPayload { endpoint { id url description sources { id } } secret }'

test('a source is created, changed, given a new address and deleted', async () => {
  const verification = { preset: { preset: 'GITHUB', secret: 'secret' } }
  const { source } = await mutate('createSource', { name: 'orders', verification }, sourcePayload)
  expect(source).toMatchObject({ name: 'orders', maxBodyBytes: 1_048_576, verification: { preset: 'GITHUB' } })
  const changed = await mutate('updateSource', { id: source.id, name: 'sales', verification: null }, sourcePayload)
  expect(changed.source).toEqual({ ...source, name: 'sales', verification: null })
  const rotated = await mutate('rotateSourceToken', { id: source.id }, sourcePayload)
  expect(rotated.source.ingressUrl).not.toBe(source.ingressUrl)
  const deleted = await mutate('deleteSource', { id: source.id }, '... on DeletePayload { deletedId }')
  expect(deleted).toEqual({ __typename: 'DeletePayload', deletedId: source.id })
  expect(await mutate('deleteSource', { id: source.id })).toMatchObject({ __typename: 'NotFoundError', id: source.id })
})

test('an endpoint is created with its secret, changed and deleted', async () => {
  const source = await project.source()
  const created = await mutate(
    'createEndpoint',
    { url: 'https://example.com', sourceIds: [source.id] },
    endpointPayload,
  )
  expect(created.endpoint).toMatchObject({
    url: 'https://example.com/',
    description: null,
    sources: [{ id: source.id }],
  })
  expect(created.secret).toMatch(/^whsec_/)
  const { id } = created.endpoint
  const changed = await mutate(
    'updateEndpoint',
    { id, description: 'shop', sourceIds: null },
    '... on EndpointPayload { endpoint { id url description sources { id } } }',
  )
  expect(changed.endpoint).toEqual({ id, url: 'https://example.com/', description: 'shop', sources: null })
  const deleted = await mutate('deleteEndpoint', { id }, '... on DeletePayload { deletedId }')
  expect(deleted).toEqual({ __typename: 'DeletePayload', deletedId: id })
})

test('a key is created, works, and is revoked, twice if need be', async () => {
  const payload = '... on CreateApiKeyPayload { apiKey { id scopes expiresAt } token }'
  const expiresAt = '2999-01-01T01:00:00+01:00'
  const { apiKey, token } = await mutate('createApiKey', { name: 'x', scopes: ['LISTEN', 'READ'], expiresAt }, payload)
  expect(apiKey).toMatchObject({ scopes: ['LISTEN', 'READ'], expiresAt: '2999-01-01T00:00:00.000Z' })
  const viewer = '{ viewer { id } }'
  expect((await dataOf({ ...target, token }, viewer)).viewer.id).toBe(apiKey.id)
  const revoked = async () => mutate('revokeApiKey', { id: apiKey.id }, '... on ApiKeyPayload { apiKey { revokedAt } }')
  const first = await revoked()
  expect(first.apiKey.revokedAt).toMatch(/Z$/)
  expect(await revoked()).toEqual(first)
  expect(codesOf(await run({ ...target, token }, viewer))).toEqual(['UNAUTHENTICATED'])
})

test.each([
  ['createSource', { name: 'A b' }, 'MALFORMED', ['input', 'name']],
  ['createSource', { name: '' }, 'REQUIRED', ['input', 'name']],
  ['createSource', { name: 'x'.repeat(64) }, 'OUT_OF_RANGE', ['input', 'name']],
  ['createSource', { name: 'big', maxBodyBytes: 26_214_401 }, 'OUT_OF_RANGE', ['input', 'maxBodyBytes']],
  ['createEndpoint', { url: 'http://10.0.0.1/' }, 'URL_REFUSED', ['input', 'url']],
  ['createEndpoint', { url: 'http://169.254.169.254/latest' }, 'URL_REFUSED', ['input', 'url']],
  ['createEndpoint', { url: 'https://example.com/', sourceIds: ['src_x'] }, 'NOT_FOUND', ['input', 'sourceIds', '0']],
  ['createEndpoint', { url: 'https://example.com/', secret: 'short' }, 'MALFORMED', ['input', 'secret']],
  ['createApiKey', { name: '', scopes: ['READ'] }, 'REQUIRED', ['input', 'name']],
  ['createApiKey', { name: 'x', scopes: [] }, 'REQUIRED', ['input', 'scopes']],
  [
    'createApiKey',
    { name: 'x', scopes: ['READ'], expiresAt: '1999-01-01T00:00:00Z' },
    'OUT_OF_RANGE',
    ['input', 'expiresAt'],
  ],
])('%s with %j is refused with %s, and the field is named', async (name, input, code, path) => {
  const result = await mutate(name, input)
  expect(result).toMatchObject({ __typename: 'ValidationError', code, path, issues: [{ code, path }] })
  expect(result.message).toBe(result.issues[0].message)
})

test('all that is wrong with an input is told at once', async () => {
  const result = await mutate('createSource', { name: 'A', maxBodyBytes: 0 })
  expect(result.issues.map((issue: Loose) => issue.path.join('.'))).toEqual(['input.name', 'input.maxBodyBytes'])
})

test('a name that is in use is told as such', async () => {
  await project.source('taken')
  const other = await project.source('other')
  const taken = { __typename: 'NameTakenError', code: 'NAME_TAKEN', path: ['input', 'name'], name: 'taken' }
  expect(await mutate('createSource', { name: 'taken' })).toMatchObject(taken)
  expect(await mutate('updateSource', { id: other.id, name: 'taken' })).toMatchObject(taken)
})

test('the mutations of one document run one after the other', async () => {
  const answer = await run(
    target,
    `mutation {
      a: createSource(input: { name: "twice" }) { __typename }
      b: createSource(input: { name: "twice" }) { __typename }
    }`,
  )
  expect(answer.data).toEqual({ a: { __typename: 'SourcePayload' }, b: { __typename: 'NameTakenError' } })
})

test('deliveries are chosen by filters that mean something', async () => {
  const empty = { from: '2026-01-01T00:00:00Z', to: '2026-01-01T00:00:00Z' }
  const rows: [object, string, string[]][] = [
    [{}, 'REQUIRED', []],
    [{ endpointId: null }, 'REQUIRED', []],
    [{ ids: [] }, 'OUT_OF_RANGE', ['ids']],
    [{ ids: Array(101).fill('dlv_x') }, 'OUT_OF_RANGE', ['ids']],
    [{ createdAt: empty }, 'OUT_OF_RANGE', ['createdAt']],
  ]
  for (const [filter, code, path] of rows) {
    const answer = await mutate('retryDeliveries', { filter })
    expect(answer, JSON.stringify(filter)).toMatchObject({ code, path: ['input', 'filter', ...path] })
  }
  const query = 'query ($filter: DeliveryFilter) { deliveries(filter: $filter) { nodes { id } } }'
  for (const filter of [{ ids: [] }, { createdAt: empty }]) {
    expect(codesOf(await run(target, query, { filter }))).toEqual(['BAD_USER_INPUT'])
  }
  expect((await dataOf(target, query, { filter: { ids: ['nonsense'] } })).deliveries.nodes).toEqual([])
})
