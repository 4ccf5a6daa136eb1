import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Source } from '../../src/sources/index.ts'
import { codesOf, dataOf, type Loose, run, type Target } from './client.ts'
import { type Gateway, type Project, startGateway } from './gateway.ts'

let gateway: Gateway
let project: Project
let source: Source
let target: Target
beforeAll(async () => {
  gateway = await startGateway()
  project = await gateway.newProject()
  source = await project.source('orders')
  target = { baseUrl: gateway.baseUrl, token: (await project.key(['admin'])).token }
})
afterAll(() => gateway.close())

const viewQuery = `query ($id: ID!) { message(id: $id) {
  id sequence method query headers { name value } contentType remoteAddress bodyBytes body text json
  event { id source type subject time } source { id }
} }`

async function viewOf(change: Parameters<Project['message']>[1]): Promise<Loose> {
  const { id } = await project.message(source, change)
  return (await dataOf(target, viewQuery, { id })).message
}

test('a message is shown byte for byte, with its headers in order', async () => {
  const body = Buffer.from([0, 255, 0xc0, 0x80, 10])
  const headersText = JSON.stringify([
    ['X-B', 'é'],
    ['x-a', ''],
    ['X-B', '2'],
  ])
  const view = await viewOf({ body, headersText, query: 'a=1', contentType: null, method: 'PUT' })
  expect(Buffer.from(view.body, 'base64')).toEqual(body)
  expect(view).toMatchObject({
    method: 'PUT',
    query: 'a=1',
    contentType: null,
    bodyBytes: 5,
    text: null,
    json: null,
    headers: [
      { name: 'X-B', value: 'é' },
      { name: 'x-a', value: '' },
      { name: 'X-B', value: '2' },
    ],
  })
})

const form = 'application/x-www-form-urlencoded'

test.each([
  ['JSON', {}, '{"a":[1,null]}', { a: [1, null] }],
  ['JSON of another media type', { contentType: 'text/plain' }, '[1]', [1]],
  ['a number beyond 53 bits', {}, '12345678901234567890', 12345678901234567890n],
  ['a key of evil', {}, '{"__proto__":{"x":1}}', JSON.parse('{"__proto__":{"x":1}}')],
  ['NUL within a string', {}, '"\\u0000"', null],
  ['malformed JSON', {}, '{"a":', null],
  ['JSON with a byte order mark', {}, '\u{feff}{}', null],
  ['nothing', {}, '', null],
  ['a form', { contentType: `${form}; charset=utf-8` }, 'a=1&b=x+y&a=%32', { a: ['1', '2'], b: ['x y'] }],
  ['a form with a field of evil', { contentType: form }, '__proto__=1', JSON.parse('{"__proto__":["1"]}')],
  ['the parameters of a GET', { method: 'GET', query: 'a=1&a=2' }, '', { a: ['1', '2'] }],
])('the parsed view of %s', async (_name, change, text, json) => {
  const view = await viewOf({ ...change, body: Buffer.from(text) })
  expect(view.text).toBe(text)
  expect(view.json).toEqual(typeof json === 'bigint' ? Number(json) : json)
})

test.each([
  [500, true],
  [501, false],
  [5_000, false],
  [100_000, false],
])('JSON nested %i deep is parsed: %s', async (depth, isParsed) => {
  const view = await viewOf({ body: Buffer.from('['.repeat(depth) + ']'.repeat(depth)) })
  expect(view.json !== null).toBe(isParsed)
})

test('brackets within strings are no nesting', async () => {
  const text = JSON.stringify({ text: `\\"${'['.repeat(2_000)}` })
  expect((await viewOf({ body: Buffer.from(text) })).json).toEqual(JSON.parse(text))
})

test('what a sender says of its event is shown, and derived where it says nothing', async () => {
  const given = {
    eventId: 'e1',
    eventSource: '/shop',
    eventType: 'order.created',
    eventSubject: 's',
    eventTime: new Date(0),
  }
  expect((await viewOf(given)).event).toEqual({
    id: 'e1',
    source: '/shop',
    type: 'order.created',
    subject: 's',
    time: '1970-01-01T00:00:00.000Z',
  })
  const view = await viewOf({})
  expect(view.event).toEqual({ id: view.id, source: '/sources/orders', type: 'webhook', subject: null, time: null })
})

const pageQuery = `query ($id: ID!, $order: ListOrder! = NEWEST_FIRST, $first: Int! = 25, $after: Cursor) {
  source(by: { id: $id }) { messages(order: $order, first: $first, after: $after) {
    nodes { sequence bodyBytes } edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  } }
}`

const pageOf = async (id: string, variables: object): Promise<Loose> =>
  (await dataOf(target, pageQuery, { id, ...variables })).source.messages

test.each([
  ['OLDEST_FIRST', [1, 2, 3, 4, 5, 6, 7]],
  ['NEWEST_FIRST', [7, 6, 5, 4, 3, 2, 1]],
])('the log is paged %s, each message once', async (order, expected) => {
  const { id } = await project.source()
  for (const _ of expected) await project.message({ id })
  const seen: number[] = []
  let page: Loose = null
  do {
    page = await pageOf(id, { order, first: 3, after: page?.pageInfo.endCursor ?? null })
    seen.push(...page.nodes.map(({ sequence }: Loose) => sequence))
  } while (page.pageInfo.hasNextPage)
  expect(seen).toEqual(expected)
  const empty = await pageOf(id, { order, after: page.pageInfo.endCursor })
  expect(empty).toMatchObject({
    nodes: [],
    pageInfo: { hasNextPage: false, startCursor: null, endCursor: page.pageInfo.endCursor },
  })
})

test('an empty log has an empty page', async () => {
  const { id } = await project.source()
  const pageInfo = { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null }
  expect(await pageOf(id, {})).toEqual({ nodes: [], edges: [], pageInfo })
})

test('a page ends at 8 MiB of bodies, and all pages of one answer together do', async () => {
  const { id } = await project.source()
  for (let index = 0; index < 6; index += 1) await project.message({ id }, { body: Buffer.alloc(3 * 1024 * 1024) })
  const page = await pageOf(id, { order: 'OLDEST_FIRST' })
  expect(page.nodes.map(({ sequence }: Loose) => sequence)).toEqual([1, 2, 3])
  expect(page.pageInfo.hasNextPage).toBe(true)
  const two = await dataOf(
    target,
    `query ($id: ID!) { source(by: { id: $id }) {
      one: messages { nodes { sequence } pageInfo { hasNextPage } }
      same: messages { nodes { sequence } }
      other: messages(first: 24) { nodes { sequence } pageInfo { hasNextPage endCursor } }
    } }`,
    { id },
  )
  expect(two.source.one.nodes).toHaveLength(3)
  expect(two.source.same.nodes).toEqual(two.source.one.nodes)
  expect(two.source.other).toEqual({ nodes: [], pageInfo: { hasNextPage: true, endCursor: null } })
})

test('what is read may be shown as bytes, as text and parsed, but not a hundred times over', async () => {
  const { id } = await project.source()
  for (let index = 0; index < 4; index += 1) await project.message({ id }, { body: Buffer.alloc(3 * 1024 * 1024, ' ') })
  const shown = (fields: string) =>
    run(target, `query ($id: ID!) { source(by: { id: $id }) { messages { nodes { ${fields} } } } }`, { id })
  expect(codesOf(await shown('body text json headers { name }'))).toEqual([])
  const aliases = (field: string) => Array.from({ length: 90 }, (_, index) => `a${index}: ${field}`).join(' ')
  for (const field of ['text', 'body', 'json']) {
    expect(new Set(codesOf(await shown(aliases(field))))).toEqual(new Set(['QUERY_TOO_LARGE']))
  }
  expect(codesOf(await shown(aliases('headers { name }')))).toEqual([])
})

test('messages by their ids are read up to 8 MiB of bodies', async () => {
  const body = Buffer.alloc(3 * 1024 * 1024)
  const ids: string[] = []
  for (let index = 0; index < 4; index += 1) ids.push((await project.message(source, { body })).id)
  const query = 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }'
  expect((await dataOf(target, query, { ids: ids.slice(1) })).nodes).toHaveLength(3)
  expect(new Set(codesOf(await run(target, query, { ids })))).toEqual(new Set(['QUERY_TOO_LARGE']))
})

test('cursors that are garbage, foreign or of the future are refused, expired ones told as such', async () => {
  const [one, other] = [await project.source(), await project.source()]
  for (const { id } of [one, one, one, other]) await project.message({ id })
  const page = await pageOf(one.id, { order: 'OLDEST_FIRST' })
  const cursors = page.edges.map(({ cursor }: Loose) => cursor)
  const codes = async (id: string, after: string) =>
    codesOf(await run(target, pageQuery, { id, after, order: 'OLDEST_FIRST' }))
  for (const after of ['garbage', '', 'x'.repeat(5_000), '\u{1f600}', Buffer.from('[1]').toString('base64url')]) {
    expect(await codes(one.id, after)).toEqual(['BAD_USER_INPUT'])
  }
  expect(await codes(other.id, cursors[0])).toEqual(['BAD_USER_INPUT'])
  const list = await dataOf(target, '{ sources(first: 1) { pageInfo { endCursor } } }')
  expect(await codes(one.id, list.sources.pageInfo.endCursor)).toEqual(['BAD_USER_INPUT'])
  const stranger = await gateway.newProject()
  const foreign = { baseUrl: gateway.baseUrl, token: (await stranger.key(['admin'])).token }
  const foreignList = await dataOf(foreign, '{ apiKeys(first: 1) { pageInfo { endCursor } } }')
  const listQuery = 'query ($after: Cursor) { apiKeys(after: $after) { nodes { id } } }'
  for (const after of [foreignList.apiKeys.pageInfo.endCursor, cursors[0], list.sources.pageInfo.endCursor]) {
    expect(codesOf(await run(target, listQuery, { after }))).toEqual(['BAD_USER_INPUT'])
  }
  await gateway.sql.query(`update source_heads set last_sequence = 2 where source_id = $1`, [one.id])
  expect(await codes(one.id, cursors[2])).toEqual(['BAD_USER_INPUT'])
  await gateway.sql.query(`update source_heads set last_sequence = 3, first_sequence = 3 where source_id = $1`, [
    one.id,
  ])
  expect(await codes(one.id, cursors[0])).toEqual(['CURSOR_EXPIRED'])
  expect(await codes(one.id, cursors[1])).toEqual([])
  await gateway.sql.query(`update source_heads set log_epoch = 'restored' where source_id = $1`, [one.id])
  expect(await codes(one.id, cursors[2])).toEqual(['CURSOR_EXPIRED'])
})

test.each([0, -1, 101, 1e9])('a page of %i items is refused', async (first) => {
  expect(codesOf(await run(target, pageQuery, { id: source.id, first }))).toEqual(['BAD_USER_INPUT'])
  expect(codesOf(await run(target, `{ deliveries(first: ${first}) { nodes { id } } }`))).toEqual(['BAD_USER_INPUT'])
})
