import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ApiKeyId } from '../../src/kernel/ids.ts'
import { moveFloor } from '../../src/retention/floor.ts'
import type { Source } from '../../src/sources/index.ts'
import { until } from '../support/until.ts'
import {
  codesOf,
  dataOf,
  type Loose,
  overEventStream,
  overWebSocket,
  run,
  type Subscription,
  type Target,
} from './client.ts'
import { type Gateway, type Project, startGateway } from './gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.close())

let project: Project
let source: Source
let keyId: ApiKeyId
let target: Target

beforeEach(async () => {
  project = await gateway.newProject()
  source = await project.source()
  const key = await project.key(['listen', 'read'])
  keyId = key.id
  target = { baseUrl: gateway.baseUrl, token: key.token }
})

const fields = 'id name state acknowledged lagCount lastSeenAt createdAt source { id } apiKey { id }'
const errorFields = '... on UserError { code path message }'

async function create(input: object = {}, as = target): Promise<Loose> {
  const { createListener } = await dataOf(
    as,
    `mutation ($input: CreateListenerInput!) {
       createListener(input: $input) { ... on ListenerPayload { listener { ${fields} } } ${errorFields} }
     }`,
    { input: { sourceId: source.id, name: 'worker', ...input } },
  )
  return createListener.listener ?? createListener
}

async function acknowledge(input: object, as = target): Promise<Loose> {
  const { acknowledgeMessages } = await dataOf(
    as,
    `mutation ($input: AcknowledgeMessagesInput!) {
       acknowledgeMessages(input: $input) { ... on ListenerPayload { listener { acknowledged lagCount } } ${errorFields} }
     }`,
    { input },
  )
  return acknowledgeMessages.listener ?? acknowledgeMessages
}

const eventFields = `__typename cursor source { id }
  ... on ListenerLeased { lease }
  ... on MessageReceived { message { sequence text } }
  ... on MessagesSkipped { reason fromSequence toSequence }`

async function listener(name = 'worker', as = target): Promise<Loose> {
  return (await dataOf(as, `query ($name: String!) { listener(name: $name) { ${fields} } }`, { name })).listener
}

async function events(first = 100, as = target): Promise<Loose[]> {
  const query = `query ($first: Int!) { listener(name: "worker") { events(first: $first) { ${eventFields} } } }`
  return (await dataOf(as, query, { first })).listener.events
}

/** Messages by sequence, gaps by what is gone, others by name. */
function nameOf({ __typename, message, reason, fromSequence, toSequence }: Loose): string {
  if (__typename === 'MessageReceived') return `${message.sequence}`
  return __typename === 'MessagesSkipped' ? `${reason} ${fromSequence}-${toSequence}` : __typename
}

const streamQuery = `subscription ($name: String!, $filter: MessageFilter) {
  messageReceivedByListener(name: $name, filter: $filter) { ${eventFields} }
}`

interface ListenerStream {
  readonly subscription: Subscription
  readonly lease: string
  readonly leasedAt: string
  next(): Promise<Loose>
  take(count: number): Promise<string[]>
  /** The codes that it ends with. */
  end(): Promise<string[]>
}

async function openStream({ name = 'worker', filter = null as object | null, as = target, over = overWebSocket } = {}) {
  const subscription = over(as, streamQuery, { name, filter })
  const next = async () => {
    const result = await subscription.next()
    if (result?.errors) throw new Error(codesOf(result).join())
    return result.data.messageReceivedByListener
  }
  const leased = await next()
  expect(leased.__typename).toBe('ListenerLeased')
  const stream: ListenerStream = {
    subscription,
    lease: leased.lease,
    leasedAt: leased.cursor,
    next,
    async take(count) {
      const seen: string[] = []
      while (seen.length < count) seen.push(nameOf(await next()))
      return seen
    },
    async end() {
      let result = await subscription.next()
      while (result?.data) result = await subscription.next()
      const codes = codesOf(result)
      expect(await subscription.next()).toBeNull()
      return codes
    },
  }
  return stream
}

async function publish(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await project.message(source)
}

async function keep(count: number): Promise<void> {
  await gateway.sql.query(
    `update fan_out_marks set fanned_out_to = h.last_sequence from source_heads as h where h.source_id = $1`,
    [source.id],
  )
  await gateway.sql.query(`update projects set retention = $2 where id = $1`, [
    project.id,
    JSON.stringify({ maxMessages: count, maxBytes: null, maxAgeHours: null }),
  ])
  await moveFloor(gateway.sql, source.id, null)
}

describe('a listener', () => {
  test('begins with the next message, or with the first one since a time', async () => {
    await publish(3)
    const late = await create()
    expect(late).toMatchObject({ name: 'worker', state: 'WAITING', lagCount: 0, lastSeenAt: null })
    expect(late).toMatchObject({ source: { id: source.id }, apiKey: { id: keyId } })
    const early = await create({ name: 'early', since: '2020-01-01T00:00:00Z' })
    expect(early.lagCount).toBe(3)
    expect(await create({ name: 'from now', since: new Date().toISOString() })).toMatchObject({ lagCount: 0 })
    const future = new Date(Date.now() + 3_600_000).toISOString()
    expect(await create({ name: 'later', since: future })).toMatchObject({ code: 'OUT_OF_RANGE' })
  })

  test('has a name of 1 to 100 characters, unique for its key', async () => {
    await create()
    expect(await create()).toMatchObject({ code: 'NAME_TAKEN', path: ['input', 'name'] })
    const { token } = await project.key(['listen'])
    expect(await create({}, { ...target, token })).toMatchObject({ name: 'worker' })
    expect(await create({ name: '' })).toMatchObject({ code: 'REQUIRED' })
    expect(await create({ name: '😀'.repeat(100) })).toMatchObject({ name: '😀'.repeat(100) })
    expect(await create({ name: '😀'.repeat(101) })).toMatchObject({ code: 'OUT_OF_RANGE' })
  })

  test('of a source that the key may not use cannot be made, nor told from one of no source', async () => {
    const other = await gateway.newProject()
    const elsewhere = await other.source()
    const limited = { ...target, token: (await project.key(['listen'], { sourceIds: [source.id] })).token }
    const second = await project.source()
    for (const sourceId of [elsewhere.id, 'src_x', second.id]) {
      expect(await create({ sourceId }, limited)).toMatchObject({ code: 'NOT_FOUND', path: ['input', 'sourceId'] })
    }
    expect(await create({}, limited)).toMatchObject({ name: 'worker' })
  })

  test('is one of 1,000 of its key at most, also when many are made at once', async () => {
    await gateway.sql.query(
      `insert into listeners (id, project_id, api_key_id, source_id, name, log_epoch, acknowledged_sequence, created_at)
       select 'lsn_' || i, $1, $2, $3, 'n' || i, '', 0, now() from generate_series(1, 995) as i`,
      [project.id, keyId, source.id],
    )
    const made = await Promise.all(Array.from({ length: 10 }, (_, i) => create({ name: `more ${i}` })))
    expect(made.filter(({ code }) => code === 'LIMIT_REACHED')).toHaveLength(5)
    expect(made.filter(({ state }) => state === 'WAITING')).toHaveLength(5)
  })

  test("is seen by its own key and by ADMIN, which does not reach beyond the project or its key's sources", async () => {
    const { id } = await create()
    const as = async (project: Project, scopes: Parameters<Project['key']>[0], sourceIds?: Source['id'][]) => ({
      ...target,
      token: (await project.key(scopes, sourceIds === undefined ? {} : { sourceIds })).token,
    })
    const seenBy = async (target: Target) => {
      const query = `query ($id: ID!) { listeners { totalCount nodes { id } } node(id: $id) { id } }`
      const data = await dataOf(target, query, { id })
      expect(data.listeners.totalCount).toBe(data.listeners.nodes.length)
      expect(data.node === null).toBe(data.listeners.nodes.length === 0)
      return data.listeners.nodes.length
    }
    expect(await seenBy(target)).toBe(1)
    expect(await seenBy(await as(project, ['admin']))).toBe(1)
    expect(await seenBy(await as(project, ['admin'], [source.id]))).toBe(1)
    expect(await seenBy(await as(project, ['admin'], [(await project.source()).id]))).toBe(0)
    expect(await seenBy(await as(project, ['listen', 'read']))).toBe(0)
    expect(await seenBy(await as(await gateway.newProject(), ['admin']))).toBe(0)
    const other = await as(await gateway.newProject(), ['admin'])
    expect(await listener('worker', other)).toBeNull()
    const remove = `mutation ($id: ID!) { deleteListener(input: { id: $id }) { __typename } }`
    expect((await dataOf(other, remove, { id })).deleteListener.__typename).toBe('NotFoundError')
    const admin = await as(project, ['admin'])
    expect(await acknowledge({ listenerId: id, cursor: 'x' }, admin)).toMatchObject({ code: 'NOT_FOUND' })
    expect((await dataOf(admin, remove, { id })).deleteListener.__typename).toBe('DeletePayload')
    expect(await listener()).toBeNull()
  })

  test('goes with its source', async () => {
    const { id } = await create()
    const stream = await openStream()
    const admin = { ...target, token: (await project.key(['manage'])).token }
    await dataOf(admin, `mutation ($id: ID!) { deleteSource(input: { id: $id }) { __typename } }`, { id: source.id })
    expect(await stream.end()).toEqual(['NOT_FOUND'])
    expect(await listener()).toBeNull()
    expect(await acknowledge({ listenerId: id, cursor: stream.leasedAt })).toMatchObject({ code: 'NOT_FOUND' })
  })
})

test('listeners are paged by name, over those of several keys with the same name, with a few statements', async () => {
  const admin = { ...target, token: (await project.key(['admin'])).token }
  for (const name of ['b', 'a', 'c\u0001']) {
    await create({ name })
    await create({ name }, admin)
  }
  await publish(2)
  const query = `query ($after: Cursor) {
    listeners(first: 4, after: $after) {
      totalCount pageInfo { hasNextPage endCursor }
      nodes { name lagCount source { name } apiKey { id } events(first: 2) { cursor } }
    }
  }`
  let page: Loose
  const statements = await gateway.statementsOf(async () => {
    page = (await dataOf(admin, query)).listeners
  })
  // Listeners, their number, keys, sources, heads, messages.
  expect(statements.length).toBeLessThanOrEqual(6)
  const rest = (await dataOf(admin, query, { after: page.pageInfo.endCursor })).listeners
  expect(page.nodes.map(({ name }: Loose) => name)).toEqual(['a', 'a', 'b', 'b'])
  expect(rest.nodes.map(({ name }: Loose) => name)).toEqual(['c\u0001', 'c\u0001'])
  expect([page.totalCount, page.pageInfo.hasNextPage, rest.pageInfo.hasNextPage]).toEqual([6, true, false])
  expect(page.nodes.every(({ events, lagCount }: Loose) => events.length === 3 && lagCount === 2)).toBe(true)
  const { sources } = await dataOf(target, '{ sources { pageInfo { endCursor } } }')
  expect(codesOf(await run(admin, query, { after: sources.pageInfo.endCursor }))).toEqual(['BAD_USER_INPUT'])
})

describe('a stream of a listener', () => {
  test.each([
    ['WebSocket', overWebSocket],
    ['server-sent events', overEventStream],
  ])('over %s tells its lease, then what follows the acknowledged place', async (_name, over) => {
    const { id } = await create()
    await publish(3)
    const stream = await openStream({ over })
    expect(await stream.take(1)).toEqual(['1'])
    const second = await stream.next()
    expect(await stream.take(2)).toEqual(['3', 'CaughtUp'])
    expect(await listener()).toMatchObject({ state: 'LIVE', lagCount: 3 })
    const moved = await acknowledge({ listenerId: id, cursor: second.cursor, lease: stream.lease })
    expect(moved).toEqual({ acknowledged: second.cursor, lagCount: 1 })
    await stream.subscription.end()
    await until(async () => (await listener()).state, 'WAITING')
    const again = await openStream({ over })
    expect(again.leasedAt).toBe(second.cursor)
    expect(await again.take(2)).toEqual(['3', 'CaughtUp'])
    await publish(1)
    expect(await again.take(1)).toEqual(['4'])
  })

  test('hides what its filter does not want', async () => {
    await create()
    await project.message(source, { eventType: 'a' })
    await project.message(source, { eventType: 'b' })
    const stream = await openStream({ filter: { types: ['b'] } })
    expect(await stream.take(2)).toEqual(['2', 'CaughtUp'])
    const refused = overWebSocket(target, streamQuery, { name: 'worker', filter: { types: [] } })
    expect(codesOf(await refused.next())).toEqual(['BAD_USER_INPUT'])
  })

  test('is taken by a newer one, and what the older one still acknowledges is refused', async () => {
    const { id } = await create()
    await publish(2)
    const older = await openStream()
    const first = await older.next()
    await acknowledge({ listenerId: id, cursor: first.cursor, lease: older.lease })
    const second = await older.next()
    const newer = await openStream()
    expect(await older.end()).toEqual(['LISTENER_TAKEN'])
    const late = await acknowledge({ listenerId: id, cursor: second.cursor, lease: older.lease })
    expect(late).toMatchObject({ code: 'LEASE_LOST', path: ['input', 'listenerId'] })
    expect(newer.leasedAt).toBe(first.cursor)
    expect(await newer.take(2)).toEqual(['2', 'CaughtUp'])
    expect((await listener()).acknowledged).toBe(first.cursor)
    expect(await listener()).toMatchObject({ state: 'LIVE' })
  })

  test('of many that begin at once, one holds the listener and the others are told', async () => {
    await create()
    const streams = await Promise.all(Array.from({ length: 8 }, () => openStream()))
    const losses: (string | undefined)[] = []
    const note = (codes: string[]) => losses.push(codes[0])
    // That of the stream which holds the listener comes with the end of the test.
    for (const stream of streams) stream.end().then(note, () => undefined)
    await until(() => losses.length, 7)
    expect(losses).toEqual(Array(7).fill('LISTENER_TAKEN'))
    expect(await listener()).toMatchObject({ state: 'LIVE' })
  })

  test('ends with the listener', async () => {
    const { id } = await create()
    const stream = await openStream()
    await dataOf(target, `mutation ($id: ID!) { deleteListener(input: { id: $id }) { __typename } }`, { id })
    expect(await stream.end()).toEqual(['NOT_FOUND'])
  })

  test('of a listener that the key does not have is refused', async () => {
    await create()
    const other = { ...target, token: (await project.key(['admin'])).token }
    expect(codesOf(await overWebSocket(target, streamQuery, { name: 'x' }).next())).toEqual(['NOT_FOUND'])
    expect(codesOf(await overWebSocket(other, streamQuery, { name: 'worker' }).next())).toEqual(['NOT_FOUND'])
    const publisher = { ...target, token: (await project.key(['read'])).token }
    expect(codesOf(await overWebSocket(publisher, streamQuery, { name: 'worker' }).next())).toEqual(['FORBIDDEN'])
  })

  test('tells what retention dropped before the messages', async () => {
    await create()
    await publish(5)
    await keep(2)
    const stream = await openStream()
    expect(await stream.take(4)).toEqual(['RETENTION 1-3', '4', '5', 'CaughtUp'])
    expect((await events()).map(nameOf)).toEqual(['RETENTION 1-3', '4', '5', 'CaughtUp'])
    expect(await listener()).toMatchObject({ lagCount: 2 })
  })
})

describe('an acknowledgement', () => {
  test('moves up alone: an earlier place changes nothing', async () => {
    const { id } = await create()
    await publish(3)
    const [first, second] = await events()
    expect(await acknowledge({ listenerId: id, cursor: second.cursor })).toMatchObject({ lagCount: 1 })
    const moved = await acknowledge({ listenerId: id, cursor: first.cursor })
    expect(moved).toEqual({ acknowledged: second.cursor, lagCount: 1 })
  })

  test('needs a cursor of its source that was sent', async () => {
    const { id } = await create()
    await publish(3)
    const other = await project.source()
    await project.message(other)
    const { source: elsewhere } = await dataOf(
      target,
      'query ($id: ID!) { source(by: { id: $id }) { messages { edges { cursor } } } }',
      { id: other.id },
    )
    for (const cursor of ['garbage', elsewhere.messages.edges[0].cursor]) {
      expect(await acknowledge({ listenerId: id, cursor })).toMatchObject({
        code: 'MALFORMED',
        path: ['input', 'cursor'],
      })
    }
    const future = cursorLater(((await events())[2] as Loose).cursor, 1)
    expect(await acknowledge({ listenerId: id, cursor: future })).toMatchObject({ code: 'OUT_OF_RANGE' })
    expect(await listener()).toMatchObject({ lagCount: 3 })
  })

  test('never goes past what its stream was sent', async () => {
    const { id } = await create()
    const stream = await openStream()
    expect(await stream.take(1)).toEqual(['CaughtUp'])
    await project.message(source)
    const { cursor } = await stream.next()
    // The transport asks for an event when the one before is taken.
    await stream.subscription.end()
    await until(async () => (await listener()).state, 'WAITING')
    const held = await openStream()
    const later = cursorLater(cursor, 5)
    expect(await acknowledge({ listenerId: id, cursor: later, lease: held.lease })).toMatchObject({
      code: 'OUT_OF_RANGE',
      path: ['input', 'cursor'],
    })
    expect(await listener()).toMatchObject({ lagCount: 1 })
  })

  test('without a lease is refused while a stream holds the listener, and possible afterwards', async () => {
    const { id } = await create()
    await publish(2)
    const stream = await openStream()
    const { cursor } = await stream.next()
    expect(await acknowledge({ listenerId: id, cursor })).toMatchObject({ code: 'LEASE_LOST' })
    expect(await acknowledge({ listenerId: id, cursor, lease: 'x' })).toMatchObject({ code: 'LEASE_LOST' })
    await stream.subscription.end()
    await until(async () => (await listener()).state, 'WAITING')
    expect(await acknowledge({ listenerId: id, cursor })).toMatchObject({ lagCount: 1 })
  })

  test('of the latest stream counts also after that has ended', async () => {
    const { id } = await create()
    await publish(2)
    const stream = await openStream()
    const { cursor } = await stream.next()
    await stream.subscription.end()
    await until(async () => (await listener()).state, 'WAITING')
    expect(await acknowledge({ listenerId: id, cursor, lease: stream.lease })).toMatchObject({ lagCount: 1 })
  })

  test('of a history that a restored backup has replaced changes nothing; the reader is told, and goes on', async () => {
    const { id } = await create()
    await publish(5)
    const before = (await events())[4] as Loose
    await acknowledge({ listenerId: id, cursor: before.cursor })
    await gateway.sql.query(`update source_heads set log_epoch = 'other', last_sequence = 3 where source_id = $1`, [
      source.id,
    ])
    await gateway.sql.query(`delete from messages where source_id = $1 and sequence > 3`, [source.id])
    expect(await listener()).toMatchObject({ lagCount: 3 })
    const seen = await events()
    expect(seen.map(nameOf)).toEqual(['RESTORED null-null', '1', '2', '3', 'CaughtUp'])
    expect(await openStream().then((stream) => stream.take(5))).toEqual(seen.map(nameOf))
    await until(async () => (await listener()).state === 'LIVE', true)
    await gateway.sql.query(`update listeners set lease_expires_at = null where id = $1`, [id])
    expect(await acknowledge({ listenerId: id, cursor: before.cursor })).toMatchObject({ lagCount: 3 })
    expect(await acknowledge({ listenerId: id, cursor: (seen[1] as Loose).cursor })).toMatchObject({ lagCount: 2 })
    expect((await events()).map(nameOf)).toEqual(['2', '3', 'CaughtUp'])
  })
})

/** As a reader could make it who looks into cursors. */
function cursorLater(cursor: string, count: number): string {
  const parts = JSON.parse(Buffer.from(cursor, 'base64url').toString())
  return Buffer.from(JSON.stringify([...parts.slice(0, -1), parts.at(-1) + count])).toString('base64url')
}

describe('a reader without a socket', () => {
  test('reads the next events and moves on in one request, each message once, to the end', async () => {
    const { id } = await create()
    await publish(5)
    const seen: string[] = []
    let batch = await events(2)
    while (batch.length > 0) {
      seen.push(...batch.map(nameOf))
      const { acknowledgeMessages } = await dataOf(
        target,
        `mutation ($input: AcknowledgeMessagesInput!) {
           acknowledgeMessages(input: $input) { ... on ListenerPayload { listener { events(first: 2) { ${eventFields} } } } }
         }`,
        { input: { listenerId: id, cursor: batch.at(-1)?.cursor } },
      )
      if (batch.some(({ __typename }) => __typename === 'CaughtUp')) break
      batch = acknowledgeMessages.listener.events
    }
    expect(seen).toEqual(['1', '2', '3', '4', '5', 'CaughtUp'])
    expect((await events()).map(nameOf)).toEqual(['CaughtUp'])
  })

  test('changes nothing by reading, but is seen to be there', async () => {
    await create()
    await publish(2)
    expect((await events(1)).map(nameOf)).toEqual(['1'])
    expect((await events(1)).map(nameOf)).toEqual(['1'])
    await until(async () => (await listener()).lastSeenAt !== null, true)
    expect(codesOf(await run(target, '{ listener(name: "worker") { events(first: 0) { cursor } } }'))).toEqual([
      'BAD_USER_INPUT',
    ])
  })
})

describe('when the key loses the right to the source', () => {
  const limit = (sourceIds: string[]) =>
    gateway.sql.query(`update api_keys set source_ids = $2 where id = $1`, [keyId, sourceIds])
  const announce = () => gateway.sql.query(`update configuration_epoch set epoch = epoch + 1`)

  test('the stream ends with FORBIDDEN, and the listener stands disconnected until the right returns', async () => {
    const { id } = await create()
    await publish(1)
    const stream = await openStream()
    const { cursor } = await stream.next()
    await limit([])
    await announce()
    expect(await stream.end()).toEqual(['FORBIDDEN'])
    await until(async () => (await listener()).state, 'DISCONNECTED')
    expect(await listener()).toMatchObject({ source: null })
    expect(await acknowledge({ listenerId: id, cursor, lease: stream.lease })).toMatchObject({ code: 'STATE_CONFLICT' })
    expect(codesOf(await run(target, '{ listener(name: "worker") { events { cursor } } }'))).toEqual(['FORBIDDEN'])
    expect(codesOf(await overWebSocket(target, streamQuery, { name: 'worker' }).next())).toEqual(['FORBIDDEN'])
    await limit([source.id])
    await announce()
    await until(async () => (await listener()).state, 'WAITING')
    await until(async () => (await listener()).source?.id, source.id)
    const again = await openStream()
    expect(await again.take(2)).toEqual(['1', 'CaughtUp'])
  })

  test('a revoked key ends its stream, and an admin sees the listener disconnected and can delete it', async () => {
    const { id } = await create()
    const admin = { ...target, token: (await project.key(['admin'])).token }
    const stream = await openStream({ over: overEventStream })
    await project.revoke(keyId)
    expect(['UNAUTHENTICATED', 'FORBIDDEN']).toContain((await stream.end())[0])
    const query = '{ listeners { nodes { id state } } }'
    expect((await dataOf(admin, query)).listeners.nodes).toEqual([{ id, state: 'DISCONNECTED' }])
  })
})

describe('over plain HTTP', () => {
  const ask = (path: string, init: RequestInit = {}, as = target) =>
    fetch(`${gateway.baseUrl}/listeners/${path}`, { ...init, headers: { authorization: `Bearer ${as.token}` } })
  const acknowledgePlain = (body: string, as = target) => ask('worker/acknowledge', { method: 'POST', body }, as)
  const codeOf = async (response: Response) => {
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    return `${response.status} ${((await response.json()) as Loose).code}`
  }

  test('a client reads and acknowledges in the shapes of GraphQL, with the bytes and their text', async () => {
    await create({ name: 'my worker/1' })
    await project.message(source, { body: Buffer.from('hé'), contentType: 'text/plain', eventType: 'order.created' })
    await project.message(source, { body: Buffer.from([0xff, 0x00]) })
    const path = encodeURIComponent('my worker/1')
    const answer = (await (await ask(`${path}/messages?first=1`)).json()) as Loose
    expect(answer).toMatchObject({ lagCount: 2, lastSequence: 2, firstSequence: 1, state: 'WAITING' })
    expect(answer.acknowledged).toBe((await listener('my worker/1')).acknowledged)
    expect(answer.events).toHaveLength(1)
    expect(answer.events[0]).toMatchObject({
      __typename: 'MessageReceived',
      source: { id: source.id, name: source.name },
      message: {
        sequence: 1,
        body: Buffer.from('hé').toString('base64'),
        text: 'hé',
        event: { type: 'order.created' },
      },
    })
    const { cursor } = answer.events[0]
    const moved = await ask(`${path}/acknowledge`, { method: 'POST', body: JSON.stringify({ cursor }) })
    expect([moved.status, await moved.json()]).toEqual([200, { acknowledged: cursor, lagCount: 1, state: 'WAITING' }])
    const rest = (await (await ask(`${path}/messages`)).json()) as Loose
    expect(rest.events.map(nameOf)).toEqual(['2', 'CaughtUp'])
    expect(rest.events[0].message).toMatchObject({ body: '/wA=', text: null })
    const shown = await dataOf(target, '{ listener(name: "my worker/1") { events { __typename cursor } } }')
    expect(rest.events).toMatchObject(shown.listener.events)
  })

  test('a client is told of what retention dropped', async () => {
    await create()
    await publish(5)
    await keep(1)
    const { events } = (await (await ask('worker/messages')).json()) as Loose
    expect(events.map(nameOf)).toEqual(['RETENTION 1-4', '5', 'CaughtUp'])
  })

  test('what is wrong is answered as problem+json with a code', async () => {
    const { id } = await create()
    await publish(1)
    expect(await codeOf(await ask('other/messages'))).toBe('404 NOT_FOUND')
    expect(await codeOf(await ask('%00/messages'))).toBe('404 NOT_FOUND')
    expect(await codeOf(await ask('worker/messages', {}, { ...target, token: 'x' }))).toBe('401 UNAUTHENTICATED')
    const reader = { ...target, token: (await project.key(['read'])).token }
    expect(await codeOf(await ask('worker/messages', {}, reader))).toBe('403 FORBIDDEN')
    for (const first of ['0', '101', '1e1', '-1', '']) {
      expect(await codeOf(await ask(`worker/messages?first=${first}`)), first).toBe('400 OUT_OF_RANGE')
    }
    for (const body of [
      '',
      '[',
      'null',
      '[]',
      '{}',
      '{"cursor":1}',
      '{"cursor":"x","lease":1}',
      '{"cursor":"\\u0000"}',
    ]) {
      expect(await codeOf(await acknowledgePlain(body)), body).toBe('400 MALFORMED')
    }
    expect(await codeOf(await acknowledgePlain(`{"cursor":"${'x'.repeat(20_000)}"}`))).toBe('413 PAYLOAD_TOO_LARGE')
    const [{ cursor }] = (await events()) as [Loose]
    expect(await codeOf(await acknowledgePlain(JSON.stringify({ cursor: cursorLater(cursor, 1) })))).toBe(
      '400 OUT_OF_RANGE',
    )
    await openStream()
    expect(await codeOf(await acknowledgePlain(JSON.stringify({ cursor })))).toBe('409 LEASE_LOST')
    expect(await codeOf(await ask('worker/messages', { method: 'POST' }))).toBe('405 METHOD_NOT_ALLOWED')
    await gateway.sql.query(`update api_keys set source_ids = '{}' where id = $1`, [keyId])
    expect(await codeOf(await ask('worker/messages'))).toBe('403 FORBIDDEN')
    expect(id).toMatch(/^lsn_/)
  })
})
