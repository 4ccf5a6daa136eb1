import { afterAll, beforeAll, expect, test } from 'vitest'
import { codesOf, dataOf, type Loose, run, type Target } from './client.ts'
import { type Gateway, type Project, startGateway } from './gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.close())

async function newTarget(): Promise<{ project: Project; target: Target }> {
  const project = await gateway.newProject()
  return { project, target: { baseUrl: gateway.baseUrl, token: (await project.key(['manage'])).token } }
}

const registration = `mutation ($input: RegisterEventTypesInput!) { registerEventTypes(input: $input) {
  __typename
  ... on RegisterEventTypesPayload {
    eventTypes { id name description schema onViolation isDeprecated createdAt }
  }
  ... on ValidationError { issues { code message path } }
  ... on LimitReachedError { code limit path }
} }`

async function register(target: Target, eventTypes: readonly object[]): Promise<Loose> {
  return (await dataOf(target, registration, { input: { eventTypes } })).registerEventTypes
}

async function page(target: Target, args: string): Promise<Loose> {
  const selection = '{ nodes { name } totalCount pageInfo { hasNextPage endCursor } }'
  return (await dataOf(target, `{ eventTypes(${args}) ${selection} }`)).eventTypes
}

const schema = { type: 'object', properties: { price: { type: 'number' } } }

test('event types are registered with their schemas, replaced and fetched again by their ids', async () => {
  const { target } = await newTarget()
  const entries = [{ name: 'order.created', schema, onViolation: 'REFUSE' }, { name: 'order.paid' }]
  const { eventTypes } = await register(target, entries)
  expect(eventTypes).toMatchObject([
    { name: 'order.created', description: null, schema, onViolation: 'REFUSE', isDeprecated: false },
    { name: 'order.paid', schema: null, onViolation: 'FLAG' },
  ])
  const [{ id }] = eventTypes
  expect(id).toMatch(/^typ_/)
  const replaced = await register(target, [{ name: 'order.created', description: 'New.', isDeprecated: true }])
  const expected = { id, description: 'New.', schema: null, onViolation: 'FLAG', isDeprecated: true }
  expect(replaced.eventTypes).toMatchObject([expected])
  const query = '($id: ID!) { node(id: $id) { id ... on EventType { description schema onViolation isDeprecated } } }'
  expect((await dataOf(target, `query ${query}`, { id })).node).toEqual(expected)
  const stranger = (await newTarget()).target
  expect((await dataOf(stranger, `query ${query}`, { id })).node).toBeNull()
})

test('a schema can be written in the document as well', async () => {
  const { target } = await newTarget()
  const document = registration
    .replace('($input: RegisterEventTypesInput!)', '')
    .replace('$input', '{ eventTypes: [{ name: "a.b", schema: { required: ["id"], maxProperties: 3, title: "x" } }] }')
  const answer = await dataOf(target, document)
  const [type] = answer.registerEventTypes.eventTypes
  expect(type.schema).toEqual({ required: ['id'], maxProperties: 3, title: 'x' })
})

test('what is wrong with an entry is told with its place, and nothing is registered', async () => {
  const { target } = await newTarget()
  const names = await register(target, [{ name: 'a' }, { name: 'a b' }])
  expect(names).toMatchObject({
    __typename: 'ValidationError',
    issues: [{ code: 'MALFORMED', path: ['input', 'eventTypes', '1', 'name'] }],
  })
  const schemas = await register(target, [{ name: 'a' }, { name: 'b', schema: { $ref: 'https://example.com/b' } }])
  expect(schemas.issues).toMatchObject([{ code: 'MALFORMED', path: ['input', 'eventTypes', '1', 'schema'] }])
  expect(await page(target, 'first: 25')).toMatchObject({ nodes: [], totalCount: 0 })
})

test('the catalogue is paged by name, all or what begins with a prefix', async () => {
  const { target } = await newTarget()
  await register(
    target,
    ['order.b', 'order.a', 'order.c', 'stock.a'].map((name) => ({ name })),
  )
  const first = await page(target, 'prefix: "order.", first: 2')
  expect(first).toMatchObject({ nodes: [{ name: 'order.a' }, { name: 'order.b' }], totalCount: 3 })
  const rest = await page(target, `prefix: "order.", first: 2, after: "${first.pageInfo.endCursor}"`)
  expect(rest).toMatchObject({ nodes: [{ name: 'order.c' }], pageInfo: { hasNextPage: false } })
  expect(await page(target, 'prefix: null')).toMatchObject({ totalCount: 4 })
  const { target: stranger } = await newTarget()
  expect(await page(stranger, 'first: 25')).toMatchObject({ nodes: [], totalCount: 0 })
  const foreign = await run(stranger, `{ eventTypes(after: "${first.pageInfo.endCursor}") { totalCount } }`)
  expect(codesOf(foreign)).toEqual(['BAD_USER_INPUT'])
})

test('one document does not read more schemas than memory holds', async () => {
  const { target, project } = await newTarget()
  await gateway.sql.query(
    `insert into event_types (id, project_id, name, schema, on_violation, is_deprecated, created_at)
     select $1::text || n, $1::text, 'a.' || n, '{"title":"' || repeat('a', 65000) || '"}', 'FLAG', false, now()
       from generate_series(1, 100) as n`,
    [project.id],
  )
  const pages = (count: number) =>
    Array.from({ length: count }, (_, n) => `p${n}: eventTypes(first: 100, prefix: "a") { nodes { schema } }`).join(' ')
  const whole = await dataOf(target, `{ ${pages(1)} }`)
  expect(whole.p0.nodes).toHaveLength(100)
  expect(codesOf(await run(target, `{ ${pages(20)} }`))).toContain('QUERY_TOO_LARGE')
})

test('reading needs READ, registering MANAGE and no limit to some sources', async () => {
  const { project } = await newTarget()
  const targetOf = async (...options: Parameters<Project['key']>): Promise<Target> => {
    return { baseUrl: gateway.baseUrl, token: (await project.key(...options)).token }
  }
  const input = { eventTypes: [{ name: 'a' }] }
  const reader = await targetOf(['read'])
  expect(await page(reader, 'first: 25')).toMatchObject({ totalCount: 0 })
  expect(codesOf(await run(reader, registration, { input }))).toEqual(['FORBIDDEN'])
  const listener = await targetOf(['listen'])
  expect(codesOf(await run(listener, '{ eventTypes { totalCount } }'))).toEqual(['FORBIDDEN'])
  const limited = await targetOf(['manage'], { sourceIds: [(await project.source()).id] })
  expect(codesOf(await run(limited, registration, { input }))).toEqual(['FORBIDDEN'])
})
