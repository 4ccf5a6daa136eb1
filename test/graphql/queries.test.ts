import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '../../src/kernel/ids.ts'
import { startReceiver } from '../support/receiver.ts'
import { until } from '../support/until.ts'
import { codesOf, dataOf, type Loose, run, type Target } from './client.ts'
import { type Gateway, type Project, startGateway } from './gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.close())

async function newTarget(): Promise<{ project: Project; target: Target }> {
  const project = await gateway.newProject()
  const { token } = await project.key(['admin'])
  return { project, target: { baseUrl: gateway.baseUrl, token } }
}

test('a key sees itself, its project and its sources', async () => {
  const { project, target } = await newTarget()
  const source = await project.source('orders')
  const data = await dataOf(
    target,
    `{
      viewer { id name scopes sources { id } expiresAt revokedAt project { id } }
      project { id name }
      byName: source(by: { name: "orders" }) { id }
      byId: source(by: { id: "${source.id}" }) { name }
      sources {
        totalCount
        nodes { id ingressUrl verification { preset } maxBodyBytes firstSequence lastSequence createdAt }
        pageInfo { hasNextPage hasPreviousPage }
      }
    }`,
  )
  expect(data).toMatchObject({
    viewer: { name: 'test', scopes: ['ADMIN'], sources: null, expiresAt: null, project: { id: project.id } },
    byName: { id: source.id },
    byId: { name: 'orders' },
    sources: { totalCount: 2, pageInfo: { hasNextPage: false, hasPreviousPage: false } },
  })
  const [shown] = data.sources.nodes
  expect(shown).toMatchObject({ verification: null, maxBodyBytes: 1_048_576, firstSequence: 1, lastSequence: 0 })
  expect(shown.ingressUrl).toMatch(/^https:\/\/hooks\.example\/in\/[\w-]{43}$/)
  expect(shown.createdAt).toBe(source.createdAt.toISOString())
})

const lists = [
  ['sources', '{ sources(first: 3, after: $after) { nodes { id } ...p } }', 'SourceConnection'],
  ['apiKeys', '{ apiKeys(first: 3, after: $after) { nodes { id } ...p } }', 'ApiKeyConnection'],
  ['endpoints', '{ endpoints(first: 3, after: $after) { nodes { id } ...p } }', 'EndpointConnection'],
] as const

test.each(lists)('the pages of %s hold every item once', async (name, selection, type) => {
  const { project, target } = await newTarget()
  for (let index = 0; index < 8; index += 1) {
    await project.endpoint(`http://127.0.0.1:9/${index}`)
    // There is a source, and a key, from the beginning.
    if (index > 0) await Promise.all([project.source(), project.key(['read'])])
  }
  const query = `query ($after: Cursor) ${selection}
    fragment p on ${type} { totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor } }`
  const pages = await pagesOf(target, query, name)
  expect(pages.map((page) => page.nodes.length)).toEqual([3, 3, 2])
  expect(pages.map((page) => page.pageInfo.hasPreviousPage)).toEqual([false, true, true])
  expect(new Set(pages.map((page) => page.totalCount))).toEqual(new Set([8]))
  expect(new Set(pages.flatMap((page) => page.nodes.map(({ id }: Loose) => id))).size).toBe(8)
  for (const page of pages) {
    expect(page.pageInfo.startCursor).toBe(page.edges[0].cursor)
    expect(page.pageInfo.endCursor).toBe(page.edges.at(-1).cursor)
  }
})

async function pagesOf(target: Target, query: string, name: string): Promise<Loose[]> {
  const pages: Loose[] = []
  let after: string | null = null
  do {
    const data: Loose = await dataOf(target, query, { after })
    pages.push(data[name])
    after = data[name].pageInfo.endCursor
  } while (pages.at(-1).pageInfo.hasNextPage)
  return pages
}

test('any object can be fetched by its id, in the order asked for; what is unknown is null', async () => {
  const { project, target } = await newTarget()
  const { id: keyId } = await project.key(['read'])
  const source = await project.source()
  const endpoint = await project.endpoint('http://127.0.0.1:9/')
  const message = await project.message(source)
  const ids = [endpoint.id, 'src_unknown', message.id, project.id, 'nonsense', source.id, keyId, 'src_', '']
  const query = 'query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }'
  const { nodes } = await dataOf(target, query, { ids })
  expect(nodes).toEqual([
    { __typename: 'Endpoint', id: endpoint.id },
    null,
    { __typename: 'Message', id: message.id },
    { __typename: 'Project', id: project.id },
    null,
    { __typename: 'Source', id: source.id },
    { __typename: 'ApiKey', id: keyId },
    null,
    null,
  ])
  expect(codesOf(await run(target, query, { ids: [] }))).toEqual(['BAD_USER_INPUT'])
  expect(codesOf(await run(target, query, { ids: Array(101).fill('x') }))).toEqual(['BAD_USER_INPUT'])
})

test('a delivery tells its message, its endpoint, its attempts and their answers', async () => {
  const { project, target } = await newTarget()
  const receiver = await startReceiver()
  try {
    const source = await project.source()
    const endpoint = await project.endpoint(receiver.url)
    const message = await project.message(source)
    const query = `{ deliveries(order: OLDEST_FIRST) { nodes {
      id status attemptCount nextAttemptAt message { id deliveries { nodes { id } } } endpoint { id url }
      attempts { nodes { number durationMs failure failureDetail response { status text isTruncated announcedBytes headers { name } } } pageInfo { hasNextPage } }
    } } }`
    await until(async () => (await dataOf(target, query)).deliveries.nodes[0]?.status, 'DELIVERED')
    const [delivery] = (await dataOf(target, query)).deliveries.nodes
    expect(delivery).toMatchObject({
      attemptCount: 1,
      nextAttemptAt: null,
      message: { id: message.id, deliveries: { nodes: [{ id: delivery.id }] } },
      endpoint: { id: endpoint.id, url: receiver.url },
      attempts: {
        nodes: [
          { number: 1, failure: null, failureDetail: null, response: { status: 204, text: '', isTruncated: false } },
        ],
        pageInfo: { hasNextPage: false },
      },
    })
    expect((await dataOf(target, `{ delivery(id: "${delivery.id}") { id } }`)).delivery).toEqual({ id: delivery.id })
    const filtered = `query ($filter: DeliveryFilter) { deliveries(filter: $filter) { nodes { id } } }`
    const found = async (filter: object) => (await dataOf(target, filtered, { filter })).deliveries.nodes.length
    expect(await found({ statuses: ['DELIVERED'], endpointId: endpoint.id })).toBe(1)
    expect(await found({ statuses: ['FAILED', 'PENDING'] })).toBe(0)
    expect(await found({ endpointId: 'nonsense' })).toBe(0)
    expect(await found({})).toBe(1)
  } finally {
    await receiver.close()
  }
})

test('the pages of several logs in one answer are those of each', async () => {
  const { project, target } = await newTarget()
  const sources = [await project.source('a'), await project.source('b'), await project.source('c')]
  for (const source of sources.slice(0, 2)) for (let index = 0; index < 5; index += 1) await project.message(source)
  const selection = 'nodes { sequence source { name } } pageInfo { hasNextPage endCursor }'
  const data = await dataOf(
    target,
    `{ sources { nodes { messages(first: 2) { ${selection} } oldest: messages(first: 2, order: OLDEST_FIRST) { ${selection} } } } }`,
  )
  const numbers = (page: Loose) => page.nodes.map((node: Loose) => [node.source.name, node.sequence])
  expect(data.sources.nodes.map((node: Loose) => [numbers(node.messages), numbers(node.oldest)])).toEqual([
    [
      [
        ['a', 5],
        ['a', 4],
      ],
      [
        ['a', 1],
        ['a', 2],
      ],
    ],
    [
      [
        ['b', 5],
        ['b', 4],
      ],
      [
        ['b', 1],
        ['b', 2],
      ],
    ],
    [[], []],
    // The built-in one.
    [[], []],
  ])
  const after = data.sources.nodes[1].messages.pageInfo.endCursor
  const next = await dataOf(target, `{ source(by: { name: "b" }) { messages(after: "${after}") { ${selection} } } }`)
  expect(numbers(next.source.messages)).toEqual([
    ['b', 3],
    ['b', 2],
    ['b', 1],
  ])
})

test('attempts are read up to 8 MiB of answers', async () => {
  const { project, target } = await newTarget()
  const receiver = await startReceiver()
  try {
    await project.endpoint(receiver.url)
    await project.message(await project.source())
    const query =
      'query ($n: Int!) { deliveries { nodes { id attempts(first: $n) { nodes { number response { status } } } } } }'
    const deliveries = async () => (await dataOf(target, query, { n: 1 })).deliveries.nodes
    await until(async () => (await deliveries())[0]?.attempts.nodes.length, 1)
    const [{ id }] = await deliveries()
    await gateway.sql.query(
      `insert into attempts (id, delivery_id, number, started_at, duration_ms, status, response_headers, response_body, is_truncated)
       select 'att_' || lpad(n::text, 26, '0'), $1, n, now(), 1, 500, '[]', $2, true from generate_series(2, 190) as n`,
      [id, Buffer.alloc(65_536)],
    )
    expect(codesOf(await run(target, query, { n: 80 }))).toEqual([])
    const many = `{ ${Array.from({ length: 3 }, (_, index) => `a${index}: delivery(id: "${id}") { attempts(first: ${80 + index}) { nodes { number } } }`).join(' ')} }`
    expect(new Set(codesOf(await run(target, many)))).toEqual(new Set(['QUERY_TOO_LARGE']))
  } finally {
    await receiver.close()
  }
})

test('no list asks the database more often the more items it has', async () => {
  const { project, target } = await newTarget()
  const documents = {
    sources: `{ sources(first: 50) { totalCount nodes {
      id name firstSequence lastSequence ingressUrl queueUrl eventsUrl allowedNetworks retention { maxBytes }
      rateLimit { count } mapping { type { constant } } acceptedResponse { status }
      verification { scheme secrets { id hint } }
      refusals(first: 3) { nodes { id source { name } } }
    } } }`,
    eventTypes: '{ eventTypes(first: 50) { totalCount nodes { id name schema } } }',
    apiKeys: '{ apiKeys(first: 50) { totalCount nodes { id project { id } sources { id name lastSequence } } } }',
    endpoints: '{ endpoints(first: 50) { totalCount nodes { id sources { id name lastSequence } } } }',
    messages: `{ sources(first: 1) { nodes { messages(first: 50) { nodes {
      id source { name lastSequence } event { source }
      deliveries(first: 5) { nodes { id endpoint { url sources { name } } attempts(first: 5) { nodes { id } } } }
    } } } } }`,
    pages:
      '{ sources(first: 50) { nodes { messages(first: 10) { nodes { id } } oldest: messages(first: 10, order: OLDEST_FIRST) { nodes { id } } } } }',
    deliveries: `{ deliveries(first: 50) { nodes {
      id operation { id } endpoint { url sources { id } } message { id sequence source { name } deliveries(first: 5) { nodes { id } } }
      attempts(first: 5) { nodes { number response { status } } }
    } } }`,
    operations: '{ operations(first: 50) { nodes { id apiKey { name } } } }',
    nodes: `query ($ids: [ID!]!) { nodes(ids: $ids) {
        id ... on Source { lastSequence } ... on Message { source { name } } ... on EventType { name } ... on Operation { status } ... on Refusal { source { name } }
      } }`,
  }
  const source = await project.source('a')
  const ids: string[] = [source.id]
  const grow = async (count: number) => {
    const others = await Promise.all(Array.from({ length: count }, () => project.source()))
    for (const other of others) {
      await project.key(['read'], { sourceIds: [source.id, other.id] })
      await project.endpoint(`http://127.0.0.1:9/${other.id}`, [source.id, other.id])
      ids.push(other.id, (await project.message(source)).id)
      ids.push(await project.refusal(other), await project.eventType(other.id))
      ids.push(await newOperation(project))
    }
    // Each of some delivery.
    await gateway.sql.query(
      `update deliveries as d
          set operation_id = o.id
         from (select id, row_number() over (order by id) as n from deliveries where project_id = $1) as place
         join (select id, row_number() over (order by id) as n from operations where project_id = $1) as o on o.n = place.n
        where d.id = place.id`,
      [project.id],
    )
    // Every endpoint that exists gets every later message of the first source.
    const expected = `${(await gateway.sql.query(`select 1 from messages where project_id = $1`, [project.id])).length}`
    await until(
      async () =>
        (
          await gateway.sql.query<{ n: string }>(
            `select fanned_out_to::text as n from fan_out_marks where source_id = $1`,
            [source.id],
          )
        )[0]?.n,
      expected,
    )
  }
  const counts = async () => {
    const counted: Record<string, number> = {}
    for (const [name, query] of Object.entries(documents)) {
      const statements = await gateway.statementsOf(() => dataOf(target, query, name === 'nodes' ? { ids } : {}))
      counted[name] = statements.length
    }
    return counted
  }
  await grow(2)
  const few = await counts()
  await grow(12)
  const many = await counts()
  // What is asked for in one turn is loaded together; a turn more or less is chance, one per item is not.
  for (const [name, count] of Object.entries(many)) expect(count - (few[name] ?? 0), name).toBeLessThan(4)
  expect(Math.max(...Object.values(many))).toBeLessThan(12)
})

async function newOperation(project: Project): Promise<string> {
  const id = newId('opr')
  const { id: keyId } = await project.key(['read'])
  await gateway.sql.query(
    `insert into operations (id, project_id, api_key_id, kind, status, input, progress, created_at, updated_at, finished_at)
     values ($1, $2, $3, 'replay-messages', 'completed', '{}', '{}', now(), now(), now())`,
    [id, project.id, keyId],
  )
  return id
}
