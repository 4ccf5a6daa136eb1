import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId, type ProjectId, type SourceId } from '../../src/kernel/ids.ts'
import { insertRefusals } from '../../src/refusals/refusal-statements.ts'
import { codesOf, dataOf, type Loose, overEventStream, overWebSocket, run, type Target } from './client.ts'
import { type Gateway, type NewKey, type Project, startGateway } from './gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.close())

async function targetOf(project: Project, options?: NewKey): Promise<Target> {
  return { baseUrl: gateway.baseUrl, token: (await project.key(['read'], options)).token }
}

/** Turns requests away as another process does. @returns the ids. */
async function refuse(projectId: ProjectId, sourceId: SourceId, details: readonly string[]): Promise<string[]> {
  const rows = details.map((detail) => ({
    id: newId('ref'),
    refusedAt: new Date(),
    projectId,
    sourceId,
    reason: 'TIMESTAMP_OFF' as const,
    detail,
    status: 401,
    method: 'POST',
    remoteAddress: '192.0.2.1',
    bodyBytes: 17,
    signature: 't=1,v1=5257a8…',
    signedContentDigest: 'ab'.repeat(32),
    clockSkewMs: -600_000,
  }))
  await insertRefusals(gateway.sql, rows)
  return rows.map((row) => row.id)
}

test('a refusal tells all that is known of it, in the list and by its id', async () => {
  const project = await gateway.newProject()
  const source = await project.source('orders')
  const target = await targetOf(project)
  const [id] = await refuse(project.id, source.id, ['ten minutes late'])
  const fields = `id source { name } refusedAt reason detail status method remoteAddress bodyBytes signature
    signedContentDigest clockSkewMs`
  const data = await dataOf(
    target,
    `query ($id: ID!) {
      source(by: { name: "orders" }) { refusals { nodes { ${fields} } pageInfo { hasNextPage } } }
      node(id: $id) { __typename ... on Refusal { ${fields} } }
    }`,
    { id },
  )
  const [shown] = data.source.refusals.nodes
  expect(shown).toEqual({
    id,
    source: { name: 'orders' },
    refusedAt: expect.stringMatching(/Z$/),
    reason: 'TIMESTAMP_OFF',
    detail: 'ten minutes late',
    status: 401,
    method: 'POST',
    remoteAddress: '192.0.2.1',
    bodyBytes: 17,
    signature: 't=1,v1=5257a8…',
    signedContentDigest: 'ab'.repeat(32),
    clockSkewMs: -600_000,
  })
  expect(data.node).toEqual({ __typename: 'Refusal', ...shown })
})

test('the pages of refusals hold every one once, newest first, for many sources by one statement', async () => {
  const project = await gateway.newProject()
  const target = await targetOf(project)
  const sources = await Promise.all(Array.from({ length: 6 }, () => project.source()))
  for (const { id } of sources) await refuse(project.id, id, ['1', '2', '3', '4', '5'])
  const query = `query ($after: Cursor) {
    sources { nodes { isSystem refusals(first: 2, after: $after) { nodes { detail source { id } } pageInfo { hasNextPage } } } }
  }`
  const statements = await gateway.statementsOf(async () => {
    const { sources: page } = await dataOf(target, query)
    const own = page.nodes.filter((one: { isSystem: boolean }) => !one.isSystem)
    expect(own).toHaveLength(6)
    for (const { refusals } of own) {
      expect(refusals.nodes.map((one: { detail: string }) => one.detail)).toEqual(['5', '4'])
      expect(refusals.pageInfo.hasNextPage).toBe(true)
    }
  })
  expect(statements.filter((text) => text.includes('from refusals'))).toHaveLength(1)
  const seen: string[] = []
  let after: string | null = null
  do {
    const { source }: Loose = await dataOf(
      target,
      `query ($id: ID!, $after: Cursor) {
        source(by: { id: $id }) { refusals(first: 2, after: $after) { nodes { detail } pageInfo { hasNextPage endCursor } } }
      }`,
      { id: sources[0]?.id, after },
    )
    seen.push(...source.refusals.nodes.map((one: { detail: string }) => one.detail))
    after = source.refusals.pageInfo.hasNextPage ? source.refusals.pageInfo.endCursor : null
  } while (after !== null)
  expect(seen).toEqual(['5', '4', '3', '2', '1'])
})

const subscription = `subscription ($id: ID!) { requestRefused(sourceId: $id) { id detail source { name } } }`

test.each([
  ['WebSocket', overWebSocket],
  ['SSE', overEventStream],
])('over %s come the latest refusals, oldest first', async (_name, subscribe) => {
  const project = await gateway.newProject()
  const source = await project.source('orders')
  await refuse(project.id, source.id, ['first', 'second'])
  const stream = subscribe(await targetOf(project), subscription, { id: source.id })
  for (const detail of ['first', 'second']) {
    expect((await stream.next()).data.requestRefused).toMatchObject({ detail, source: { name: 'orders' } })
  }
})

test('a key that may not use a source sees none of its refusals', async () => {
  const [project, strangers] = [await gateway.newProject(), await gateway.newProject()]
  const [source, other] = [await project.source(), await project.source()]
  const [id] = await refuse(project.id, source.id, ['secret'])
  const limited = await targetOf(project, { sourceIds: [other.id] })
  for (const target of [limited, await targetOf(strangers)]) {
    const found = await dataOf(
      target,
      `query ($id: ID!, $source: ID!) { node(id: $id) { id } source(by: { id: $source }) { id } }`,
      {
        id,
        source: source.id,
      },
    )
    expect(found).toEqual({ node: null, source: null })
    expect(codesOf(await overWebSocket(target, subscription, { id: source.id }).next())).toEqual(['NOT_FOUND'])
  }
  const listens = { baseUrl: gateway.baseUrl, token: (await project.key(['listen'])).token }
  expect(codesOf(await overWebSocket(listens, subscription, { id: source.id }).next())).toEqual(['FORBIDDEN'])
})

test('of a deleted source no refusal is shown', async () => {
  const project = await gateway.newProject()
  const source = await project.source()
  const target = { baseUrl: gateway.baseUrl, token: (await project.key(['admin'])).token }
  const [id] = await refuse(project.id, source.id, ['first'])
  await run(target, `mutation ($id: ID!) { deleteSource(input: { id: $id }) { __typename } }`, { id: source.id })
  expect(await dataOf(target, `query ($id: ID!) { node(id: $id) { id } }`, { id })).toEqual({ node: null })
})
