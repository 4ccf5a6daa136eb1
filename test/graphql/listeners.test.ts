import { describe, expect, test } from 'vitest'
import type { Source } from '../../src/sources/index.ts'
import { until } from '../support/until.ts'
import { codesOf, dataOf, type Loose, overEventStream, overWebSocket, run, type Target } from './client.ts'
import type { Project } from './gateway.ts'
import {
  acknowledge,
  create,
  cursorLater,
  eventFields,
  events,
  gateway,
  keep,
  keyId,
  listener,
  nameOf,
  openStream,
  project,
  publish,
  source,
  streamQuery,
  target,
} from './listener-world.ts'

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
    for (const name of ['.', '..']) expect(await create({ name })).toMatchObject({ code: 'MALFORMED' })
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
  // Listeners, their number, keys, sources, heads, messages; and that they were read, which the answer does not wait for.
  expect(statements.length).toBeLessThanOrEqual(7)
  const rest = (await dataOf(admin, query, { after: page.pageInfo.endCursor })).listeners
  expect(page.nodes.map(({ name }: Loose) => name)).toEqual(['a', 'a', 'b', 'b'])
  expect(rest.nodes.map(({ name }: Loose) => name)).toEqual(['c\u0001', 'c\u0001'])
  expect([page.totalCount, page.pageInfo.hasNextPage, rest.pageInfo.hasNextPage]).toEqual([6, true, false])
  expect(page.nodes.every(({ events, lagCount }: Loose) => events.length === 3 && lagCount === 2)).toBe(true)
  const { sources } = await dataOf(target, '{ sources { pageInfo { endCursor } } }')
  expect(codesOf(await run(admin, query, { after: sources.pageInfo.endCursor }))).toEqual(['BAD_USER_INPUT'])
})

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
  async function limit(sourceIds: string[] | null): Promise<void> {
    const admin = { ...target, token: (await project.key(['admin'])).token }
    const update = `mutation ($input: UpdateApiKeyInput!) { updateApiKey(input: $input) { __typename } }`
    const { updateApiKey } = await dataOf(admin, update, { input: { id: keyId, sourceIds } })
    expect(updateApiKey.__typename).toBe('ApiKeyPayload')
  }

  test('the stream ends with FORBIDDEN, and the listener stands disconnected until the right returns', async () => {
    const { id } = await create()
    await publish(1)
    // Over WebSocket the socket may be closed before.
    const stream = await openStream({ over: overEventStream })
    const { cursor } = await stream.next()
    await limit([(await project.source()).id])
    expect(await stream.end()).toEqual(['FORBIDDEN'])
    await until(async () => (await listener()).state, 'DISCONNECTED')
    expect(await listener()).toMatchObject({ source: null })
    expect(await acknowledge({ listenerId: id, cursor, lease: stream.lease })).toMatchObject({ code: 'STATE_CONFLICT' })
    expect(codesOf(await run(target, '{ listener(name: "worker") { events { cursor } } }'))).toEqual(['FORBIDDEN'])
    expect(codesOf(await overWebSocket(target, streamQuery, { name: 'worker' }).next())).toEqual(['FORBIDDEN'])
    await limit([source.id])
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
