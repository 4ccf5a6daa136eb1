import { getIntrospectionQuery, Kind, OperationTypeNode, parse, print } from 'graphql'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { examples } from '../../src/graphql/examples.ts'
import { codesOf, dataOf, run, type Target } from './client.ts'
import { type Gateway, startGateway } from './gateway.ts'

let gateway: Gateway
let target: Target
beforeAll(async () => {
  gateway = await startGateway()
  target = { baseUrl: gateway.baseUrl, token: (await (await gateway.newProject()).key(['admin'])).token }
})
afterAll(() => gateway.close())

const nested = (depth: number) => `{ viewer ${'{ sources '.repeat(depth)} { id } ${'}'.repeat(depth)} }`
const bomb = (levels: number) =>
  `{ viewer { ...f0 } } ${Array.from({ length: levels }, (_, n) => `fragment f${n} on ApiKey { ...f${n + 1} ...f${n + 1} }`).join(' ')} fragment f${levels} on ApiKey { id }`

test.each([
  ['fields nested 17 deep', nested(15)],
  ['fields nested 5,000 deep', `{ ${'a { '.repeat(1_300)} a ${'}'.repeat(1_300)} }`],
  ['5,000 tokens', `{ ${'a '.repeat(5_000)} }`],
  ['many aliases', `{ ${Array.from({ length: 101 }, (_, n) => `a${n}: __typename`).join(' ')} }`],
  ['a fragment that doubles 40 times', bomb(40)],
  ['fields that are compared with each other too often', `{ project { ${'id '.repeat(1_990)} } }`],
  ['nested pages', '{ deliveries(first: 100) { nodes { attempts(first: 50) { nodes { id } } } } }'],
  [
    'nested pages by variables',
    'query ($n: Int! = 100) { deliveries(first: $n) { nodes { attempts(first: $n) { nodes { id } } } } }',
  ],
  ['nested pages within a list', '{ viewer { sources { messages(first: 100) { nodes { id } } } } }'],
  [
    'nested pages in fragments',
    '{ deliveries(first: 100) { ...d } } fragment d on DeliveryConnection { edges { node { ... on Delivery { attempts(first: 100) { nodes { id } } } } } }',
  ],
  [
    'pages that are asked for again and again',
    `{ ${Array.from({ length: 51 }, (_, n) => `a${n}: deliveries(first: 100) { nodes { id } }`).join(' ')} }`,
  ],
])('%s are too large', async (_name, query) => {
  expect(codesOf(await run(target, query))).toEqual(['QUERY_TOO_LARGE'])
})

test.each([
  ['a cycle of fragments', '{ viewer { ...a } } fragment a on ApiKey { ...b } fragment b on ApiKey { ...a }'],
  ['a fragment of itself', '{ viewer { ...a } } fragment a on ApiKey { id ...a }'],
  ['a syntax error', '{ viewer'],
  ['a second operation without a name', 'query a { __typename } query b { __typename }'],
  ['an argument that is missing', '{ message { id } }'],
  ['NUL in a string', '{ source(by: { name: "a\\u0000" }) { id } }'],
  ['NUL in a block string', '{ source(by: { name: """a\u0000""" }) { id } }'],
  ['half of a character', '{ source(by: { name: "\\uD800" }) { id } }'],
  ['two ways to name a source', '{ source(by: { name: "a", id: "b" }) { id } }'],
  ['no way to name a source', '{ source(by: {}) { id } }'],
  [
    'deep introspection',
    '{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }',
  ],
])('%s is refused', async (_name, query) => {
  const codes = codesOf(await run(target, query))
  expect(new Set(codes)).toEqual(new Set(['BAD_USER_INPUT']))
})

const createSource = `mutation ($input: CreateSourceInput!) { createSource(input: $input) { __typename } }`
const createApiKey = `mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { __typename } }`
const createEndpoint = `mutation ($input: CreateEndpointInput!) { createEndpoint(input: $input) { __typename } }`

test.each([
  [createSource, {}],
  [createSource, { name: null }],
  [createSource, { name: 'a\0' }],
  [createSource, { name: '\ud800' }],
  [createSource, { name: 1 }],
  [createSource, { name: 'a', maxBodyBytes: 2 ** 31 }],
  [createSource, { name: 'a', maxBodyBytes: 1.5 }],
  [createSource, { name: 'a', unknown: 1 }],
  [createSource, { name: 'a', verification: {} }],
  [createSource, { name: 'a', verification: { preset: { preset: 'NOBODY', secret: 'x' } } }],
  [createApiKey, { name: 'a', scopes: ['read'] }],
  [createApiKey, { name: 'a', scopes: [null] }],
  [createApiKey, { name: 'a', scopes: ['READ'], expiresAt: '2027-02-30T00:00:00Z' }],
  [createApiKey, { name: 'a', scopes: ['READ'], expiresAt: '2027-02-03' }],
  [createApiKey, { name: 'a', scopes: ['READ'], expiresAt: 1_800_000_000 }],
  [createEndpoint, { url: 'file:///etc/passwd' }],
  [createEndpoint, { url: 'http://a@127.0.0.1@b/' }],
  [createEndpoint, { url: 'https://user:password@example.com/' }],
  [createEndpoint, { url: '/relative' }],
  [createEndpoint, { url: `https://example.com/${'x'.repeat(2_048)}` }],
])('%s with %j is refused before anything happens', async (query, input) => {
  const codes = codesOf(await run(target, query, { input }))
  expect(new Set(codes)).toEqual(new Set(['BAD_USER_INPUT']))
})

test('variables that nest without end are refused', async () => {
  const body = `{"query":${JSON.stringify(createSource)},"variables":{"input":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`
  const response = await fetch(`${gateway.baseUrl}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${target.token}` },
    body,
  })
  expect(codesOf((await response.json()) as object)).toEqual(['BAD_USER_INPUT'])
})

test('nothing suggests names that were not asked for', async () => {
  const answer = await run(target, '{ viewr { idd } sources(frst: 1) { nodes { nam } } }')
  expect(JSON.stringify(answer)).not.toContain('Did you mean')
  const enumAnswer = await run(target, createApiKey, { input: { name: 'a', scopes: ['REED'], nme: 1 } })
  expect(JSON.stringify(enumAnswer)).not.toContain('Did you mean')
})

test('hostile documents are refused in little time', async () => {
  const fields = (text: string, count: number) => `{ viewer { ${text.repeat(count)} } }`
  const overlapping = Array.from({ length: 300 }, (_, n) => `...f${n}`).join(' ')
  const fragments = Array.from({ length: 300 }, (_, n) => `fragment f${n} on ApiKey { id name }`).join(' ')
  const start = performance.now()
  for (const query of [
    fields('id ', 1_900),
    fields('project { id } ', 900),
    `{ viewer { ${overlapping} } } ${fragments}`,
    bomb(10).replace('{ id }', '{ id name }'),
  ]) {
    await run(target, query)
  }
  expect(performance.now() - start).toBeLessThan(4_000)
})

test('what common tools and our own examples ask is not too large', async () => {
  const { __schema } = await dataOf(target, getIntrospectionQuery({ inputValueDeprecation: true, oneOf: true }))
  expect(__schema.types.length).toBeGreaterThan(50)
  const operations = parse(examples).definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION)
  for (const query of operations.filter(({ operation }) => operation === OperationTypeNode.QUERY).map(print)) {
    expect(codesOf(await run(target, query))).toEqual([])
  }
})
