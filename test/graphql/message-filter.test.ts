import { monitorEventLoopDelay } from 'node:perf_hooks'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { decodeCursor } from '../../src/live/cursor.ts'
import type { NewMessage } from '../../src/messages/index.ts'
import type { Source } from '../../src/sources/index.ts'
import { type Answer, codesOf, dataOf, type Loose, post, run, type Target } from './client.ts'
import { type Gateway, type Project, startGateway } from './gateway.ts'

let gateway: Gateway
let project: Project
let target: Target
beforeAll(async () => {
  gateway = await startGateway()
})
beforeEach(async () => {
  project = await gateway.newProject()
  target = { baseUrl: gateway.baseUrl, token: (await project.key(['admin'])).token }
})
afterAll(() => gateway.close())

const pageQuery = `query ($id: ID!, $order: ListOrder! = OLDEST_FIRST, $first: Int! = 25, $after: Cursor, $filter: MessageFilter) {
  source(by: { id: $id }) { messages(order: $order, first: $first, after: $after, filter: $filter) {
    nodes { sequence bodyBytes text } edges { cursor } pageInfo { hasNextPage startCursor endCursor }
  } }
}`

const pageOf = async (id: string, variables: object): Promise<Loose> =>
  (await dataOf(target, pageQuery, { id, ...variables })).source.messages

const sequencesOf = (page: Loose): number[] => page.nodes.map(({ sequence }: Loose) => sequence)

async function recordAll(source: Source, changes: readonly Partial<NewMessage>[]): Promise<void> {
  for (const change of changes) await project.message(source, change)
}

/** Copies the source's first message, which has the sequence 1, as its next ones. */
async function multiply(source: Source, count: number): Promise<void> {
  await gateway.sql.query(
    `with copies as (
       insert into messages
       select (m.copy).* from (
         select jsonb_populate_record(x, jsonb_build_object(
                  'id', 'msg_' || lpad((extract(epoch from clock_timestamp()) * 1000000)::bigint::text || n::text, 26, '0'),
                  'sequence', n)) as copy
           from messages as x, generate_series(2, $2::int + 1) as n
          where x.source_id = $1::text and x.sequence = 1) as m)
     update source_heads set last_sequence = $2::int + 1 where source_id = $1::text`,
    [source.id, count],
  )
}

test.each([
  ['types', { types: ['order.*'] }, [2, 3]],
  ['exact', { exact: { name: 'subject', value: 's' } }, [3]],
  ['prefix', { prefix: { name: 'type', value: 'order.' } }, [2, 3]],
  ['suffix', { suffix: { name: 'type', value: '.created' } }, [2, 4]],
  ['header', { header: { name: 'X-TOPIC', value: 'a' } }, [1]],
  ['data', { data: { pointer: '/n', value: 4 } }, [4]],
  ['all', { all: [{ types: ['order.*'] }, { exact: { name: 'source', value: '/sources/shop' } }] }, [2]],
  ['any', { any: [{ data: { pointer: '/n', value: 1 } }, { types: ['order.paid'] }] }, [1, 3]],
  ['not', { not: { types: ['order.*'] } }, [1, 4]],
])('messages are found by %s, from either end', async (_name, filter, expected) => {
  const source = await project.source('shop')
  const body = (n: number) => Buffer.from(JSON.stringify({ n }))
  await recordAll(source, [
    { body: body(1), headersText: '[["x-topic","a"]]' },
    { body: body(2), eventType: 'order.created' },
    { body: body(3), eventType: 'order.paid', eventSubject: 's', eventSource: '/till' },
    { body: body(4), eventType: 'refund.created' },
  ])
  const page = await pageOf(source.id, { filter })
  expect(sequencesOf(page)).toEqual(expected)
  expect(page.nodes.map(({ text }: Loose) => JSON.parse(text).n)).toEqual(expected)
  expect(page.pageInfo.hasNextPage).toBe(false)
  expect(sequencesOf(await pageOf(source.id, { filter, order: 'NEWEST_FIRST' }))).toEqual(expected.toReversed())
})

test('a number beyond 53 bits is found by its digits, written in the document', async () => {
  const source = await project.source()
  await recordAll(source, [
    { body: Buffer.from('[12345678901234567891]') },
    { body: Buffer.from('[12345678901234567890]') },
  ])
  const query = (value: string) =>
    `{ source(by: { id: "${source.id}" }) { messages(filter: { data: { pointer: "/0", value: ${value} } }) { nodes { sequence } } } }`
  const found = async (value: string) => sequencesOf((await dataOf(target, query(value))).source.messages)
  expect(await found('12345678901234567890')).toEqual([2])
  expect(await found('12345678901234567892')).toEqual([])
})

test.each(['OLDEST_FIRST', 'NEWEST_FIRST'])('filtered pages %s hold every match once and no other', async (order) => {
  const source = await project.source()
  const types = Array.from({ length: 30 }, (_, index) => (index % 4 === 1 ? 'yes' : 'no'))
  await recordAll(
    source,
    types.map((eventType) => ({ eventType })),
  )
  const expected = types.flatMap((type, index) => (type === 'yes' ? [index + 1] : []))
  const seen: number[] = []
  let page: Loose = null
  do {
    page = await pageOf(source.id, { order, first: 3, after: page?.pageInfo.endCursor, filter: { types: ['yes'] } })
    seen.push(...sequencesOf(page))
  } while (page.pageInfo.hasNextPage)
  expect(seen).toEqual(order === 'OLDEST_FIRST' ? expected : expected.toReversed())
})

const hidden = { types: ['nothing'] }

test('12,000 hidden messages are passed in two requests', async () => {
  const source = await project.source()
  await project.message(source)
  await multiply(source, 12_000)
  const first = await pageOf(source.id, { filter: hidden })
  expect(first).toMatchObject({ nodes: [], pageInfo: { hasNextPage: true, startCursor: null } })
  const { endCursor } = first.pageInfo
  expect(sequencesOf(await pageOf(source.id, { after: endCursor, first: 1 }))).toEqual([10_001])
  const second = await pageOf(source.id, { filter: hidden, after: endCursor })
  expect(second).toMatchObject({ nodes: [], pageInfo: { hasNextPage: false } })
  const last = await pageOf(source.id, { after: second.pageInfo.endCursor })
  expect(last).toMatchObject({ nodes: [], pageInfo: { hasNextPage: false } })
})

test('a filter that takes long over each message holds up nobody, and ends its page in time', async () => {
  const source = await project.source()
  await project.message(source, { eventType: 'a'.repeat(2_000) })
  await multiply(source, 9_000)
  const types = Array.from({ length: 100 }, () => `*${'a'.repeat(250)}b*`)
  const delays = monitorEventLoopDelay({ resolution: 5 })
  delays.enable()
  const page = await pageOf(source.id, { filter: { types } })
  delays.disable()
  expect(page).toMatchObject({ nodes: [], pageInfo: { hasNextPage: true } })
  expect(decodeCursor(page.pageInfo.endCursor)?.sequence).toBeLessThan(9_000)
  // All of a round in one go would be more than a second.
  expect(delays.max / 1_000_000).toBeLessThan(500)
})

test('all filtered pages of one answer together look at 10,000 messages, and share them', async () => {
  const sources = [await project.source('a'), await project.source('b')]
  for (const source of sources) {
    await project.message(source)
    await multiply(source, 7_000)
  }
  const selection = '{ nodes { id } pageInfo { hasNextPage endCursor } }'
  const query = `query ($filter: MessageFilter) { sources { nodes { id messages(order: OLDEST_FIRST, filter: $filter) ${selection} } } }`
  const { nodes } = (await dataOf(target, query, { filter: hidden })).sources
  // The last is the built-in source, which is empty.
  for (const { id, messages } of nodes.slice(0, sources.length)) {
    expect(messages).toMatchObject({ nodes: [], pageInfo: { hasNextPage: true } })
    expect(sequencesOf(await pageOf(id, { after: messages.pageInfo.endCursor, first: 1 }))[0]).toBeGreaterThan(4_900)
  }
  const many = Array.from(
    { length: 5 },
    (_, index) => `a${index}: messages(first: ${index + 1}, filter: $filter) ${selection}`,
  )
  const pages = await dataOf(
    target,
    `query ($filter: MessageFilter) { source(by: { name: "a" }) { ${many.join(' ')} } }`,
    {
      filter: hidden,
    },
  )
  const ends = Object.values<Loose>(pages.source).map(({ pageInfo }) => [
    pageInfo.hasNextPage,
    pageInfo.endCursor !== null,
  ])
  expect(ends).toEqual([[false, true], [true, true], ...Array(3).fill([true, false])])
})

test('a filter that reads bodies reads 8 MiB of them, hidden ones too', async () => {
  const source = await project.source()
  for (let index = 0; index < 5; index += 1) await project.message(source, { body: Buffer.alloc(3 * 1024 * 1024) })
  await project.message(source)
  const filter = { data: { pointer: '/hello', value: 'world' } }
  const first = await pageOf(source.id, { filter })
  expect(first).toMatchObject({ nodes: [], pageInfo: { hasNextPage: true } })
  const second = await pageOf(source.id, { filter, after: first.pageInfo.endCursor })
  expect(sequencesOf(second)).toEqual([6])
  expect(second.pageInfo.hasNextPage).toBe(false)
})

test('a filter that reads no bodies passes large hidden ones, and ends at 8 MiB of those found', async () => {
  const source = await project.source()
  const body = Buffer.alloc(3 * 1024 * 1024)
  for (const eventType of ['no', 'no', 'no', 'no', 'yes', 'yes', 'yes', 'yes']) {
    await project.message(source, { body, eventType })
  }
  const filter = { types: ['yes'] }
  const first = await pageOf(source.id, { filter })
  expect(first.nodes.map(({ sequence, bodyBytes }: Loose) => [sequence, bodyBytes])).toEqual([
    [5, body.length],
    [6, body.length],
    [7, body.length],
  ])
  expect(first.pageInfo.hasNextPage).toBe(true)
  const second = await pageOf(source.id, { filter, after: first.pageInfo.endCursor })
  expect(sequencesOf(second)).toEqual([8])
  expect(second.pageInfo.hasNextPage).toBe(false)
})

test('what retention took is no reason to go on', async () => {
  const source = await project.source()
  await recordAll(source, [{}, {}, {}])
  await gateway.sql.query('delete from messages where source_id = $1 and sequence < 3', [source.id])
  const page = await pageOf(source.id, { filter: hidden, order: 'NEWEST_FIRST' })
  expect(page.pageInfo.hasNextPage).toBe(false)
})

test.each<[string, object, string]>([
  ['an empty value', { exact: { name: 'type', value: '' } }, '`filter.exact.value`'],
  ['an empty list', { not: { any: [] } }, '`filter.not.any`'],
  [
    'an unknown name',
    { all: [{ types: ['x'] }, { prefix: { name: 'Type', value: 'x' } }] },
    '`filter.all.1.prefix.name`',
  ],
  ['an object as value', { data: { pointer: '', value: {} } }, '`filter.data.value`'],
  ['two tests', { types: ['x'], not: { types: ['x'] } }, 'MessageFilter'],
  ['no test', {}, 'MessageFilter'],
  ['an unknown dialect', { regex: 'x' }, 'regex'],
  ['a null', { types: null }, 'MessageFilter'],
])('a filter with %s is refused, and the place told', async (_name, filter, place) => {
  const source = await project.source()
  const answer = await run(target, pageQuery, { id: source.id, filter })
  expect(new Set(codesOf(answer))).toEqual(new Set(['BAD_USER_INPUT']))
  expect(answer.errors?.[0]?.message).toContain(place)
})

test('a filter that nests without end is refused', async () => {
  const source = await project.source()
  for (const depth of [9, 1_000, 100_000]) {
    const filter = `${'{"not":'.repeat(depth)}{"types":["x"]}${'}'.repeat(depth)}`
    const body = `{"query":${JSON.stringify(pageQuery)},"variables":{"id":"${source.id}","filter":${filter}}}`
    const answer = (await (await post(target, body)).json()) as Answer
    expect(codesOf(answer), `${depth}`).toEqual(['BAD_USER_INPUT'])
  }
})

test('a filter that nests in the document as deep as it may be is refused', async () => {
  const filter = `${'{ not: '.repeat(900)}{ types: ["x"] }${' }'.repeat(900)}`
  const query = `{ sources { nodes { messages(filter: ${filter}) { nodes { id } } } } }`
  await project.source()
  expect(new Set(codesOf(await run(target, query)))).toEqual(new Set(['BAD_USER_INPUT']))
})

test('filtered pages of many sources ask the database as often as those of one', async () => {
  const query = `{ sources { nodes { messages(first: 2, filter: { any: [{ types: ["yes"] }, { data: { pointer: "/x", value: 1 } }] }) { nodes { id } }
    heads: messages(first: 2, filter: { types: ["yes"] }) { nodes { id text } } } } }`
  const count = async () => (await gateway.statementsOf(() => dataOf(target, query))).length
  const grow = async (sources: number) => {
    for (let index = 0; index < sources; index += 1) {
      await recordAll(await project.source(), [{ eventType: 'yes' }, { eventType: 'no' }, { eventType: 'yes' }])
    }
  }
  await grow(1)
  const few = await count()
  await grow(12)
  const many = await count()
  expect(many - few).toBeLessThan(3)
  expect(many).toBeLessThan(8)
})
