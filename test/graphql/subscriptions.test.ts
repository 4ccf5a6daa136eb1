import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Source } from '../../src/sources/index.ts'
import { startReceiver } from '../support/receiver.ts'
import {
  codesOf,
  dataOf,
  type Loose,
  overEventStream,
  overWebSocket,
  type Subscription,
  type Target,
} from './client.ts'
import { type Gateway, type Project, startGateway } from './gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.close())

const query = `subscription ($sourceIds: [ID!]!, $after: [Cursor!]) {
  messageReceived(sourceIds: $sourceIds, after: $after) {
    __typename cursor source { id name }
    ... on MessageReceived { message { id sequence text } }
    ... on MessagesSkipped { reason fromSequence toSequence }
  }
}`

async function next(subscription: Subscription): Promise<Loose> {
  const result = await subscription.next()
  if (result?.errors) throw new Error(JSON.stringify(result.errors))
  return result?.data.messageReceived ?? null
}

async function nextSequences(subscription: Subscription, count: number): Promise<(number | string)[]> {
  const seen: (number | string)[] = []
  while (seen.length < count) {
    const event = await next(subscription)
    seen.push(event.message?.sequence ?? event.__typename)
  }
  return seen
}

test('an event costs no query for its source, and shows it as it is now', async () => {
  const project = await gateway.newProject()
  const source = await project.source('before')
  const target = { baseUrl: gateway.baseUrl, token: (await project.key(['admin'])).token }
  const stream = overWebSocket(target, query.replace('sequence text', 'sequence event { source } source { name }'), {
    sourceIds: [source.id],
  })
  await next(stream)
  const statements = await gateway.statementsOf(async () => {
    for (let index = 0; index < 3; index += 1) await project.message(source)
    expect(await nextSequences(stream, 3)).toEqual([1, 2, 3])
  })
  expect(statements).toEqual([])
  await dataOf(
    target,
    `mutation { updateSource(input: { id: "${source.id}", name: "after" }) { ... on SourcePayload { source { name } } } }`,
  )
  await project.message(source)
  const after = { name: 'after' }
  expect(await next(stream)).toMatchObject({
    source: after,
    message: { source: after, event: { source: '/sources/after' } },
  })
})

describe.each([
  ['WebSocket', overWebSocket],
  ['SSE', overEventStream],
])('over %s', (_name, subscribe) => {
  let project: Project
  let source: Source
  let target: Target
  beforeEach(async () => {
    project = await gateway.newProject()
    source = await project.source('orders')
    target = { baseUrl: gateway.baseUrl, token: (await project.key(['admin'])).token }
  })

  test('messages come as they are stored, and a cursor goes on where it stands', async () => {
    await project.message(source)
    const first = subscribe(target, query, { sourceIds: [source.id] })
    const caughtUp = await next(first)
    expect(caughtUp).toMatchObject({ __typename: 'CaughtUp', source: { id: source.id } })
    for (let index = 0; index < 3; index += 1) await project.message(source)
    expect(await nextSequences(first, 3)).toEqual([2, 3, 4])
    await first.end()
    await project.message(source)
    const again = subscribe(target, query, { sourceIds: [source.id], after: [caughtUp.cursor] })
    expect(await nextSequences(again, 5)).toEqual([2, 3, 4, 5, 'CaughtUp'])
    await project.message(source)
    expect(await nextSequences(again, 1)).toEqual([6])
  })

  test('the cursors of pages and streams are the same', async () => {
    for (let index = 0; index < 3; index += 1) await project.message(source)
    const pages = `{ source(by: { name: "orders" }) { messages(order: OLDEST_FIRST) { edges { cursor node { sequence } } } } }`
    const { edges } = (await dataOf(target, pages)).source.messages
    const subscription = subscribe(target, query, { sourceIds: [source.id], after: [edges[0].cursor] })
    const event = await next(subscription)
    expect(event).toMatchObject({ message: { sequence: 2 }, cursor: edges[1].cursor })
  })

  test('each event shows what is true by then: a renamed source has its new name', async () => {
    const subscription = subscribe(target, query, { sourceIds: [source.id] })
    expect((await next(subscription)).source.name).toBe('orders')
    await project.message(source)
    expect((await next(subscription)).source.name).toBe('orders')
    const rename = `mutation { updateSource(input: { id: "${source.id}", name: "renamed" }) { __typename } }`
    await dataOf(target, rename)
    await project.message(source)
    expect((await next(subscription)).source.name).toBe('renamed')
  })

  test('several sources share a stream, each goes on from its own cursor', async () => {
    const other = await project.source('other')
    const first = subscribe(target, query, { sourceIds: [source.id, other.id] })
    const cursors = [(await next(first)).cursor, (await next(first)).cursor]
    await first.end()
    await project.message(source)
    await project.message(other)
    await project.message(other)
    const unasked = await project.source('unasked')
    await project.message(unasked)
    const unaskedCursor = (await next(subscribe(target, query, { sourceIds: [unasked.id] }))).cursor
    const variables = { sourceIds: [source.id, other.id, other.id], after: [...cursors, unaskedCursor] }
    const again = subscribe(target, query, variables)
    const events = [await next(again), await next(again), await next(again), await next(again), await next(again)]
    const of = (id: string) =>
      events.filter((event) => event.source.id === id).map((event) => event.message?.sequence ?? event.__typename)
    expect(of(source.id)).toEqual([1, 'CaughtUp'])
    expect(of(other.id)).toEqual([1, 2, 'CaughtUp'])
  })

  test('what retention dropped is told once, with its sequences', async () => {
    const first = subscribe(target, query, { sourceIds: [source.id] })
    const { cursor } = await next(first)
    await first.end()
    for (let index = 0; index < 5; index += 1) await project.message(source)
    await gateway.sql.query(`delete from messages where source_id = $1 and sequence < 4`, [source.id])
    await gateway.sql.query(`update source_heads set first_sequence = 4 where source_id = $1`, [source.id])
    const again = subscribe(target, query, { sourceIds: [source.id], after: [cursor] })
    expect(await next(again)).toMatchObject({
      __typename: 'MessagesSkipped',
      reason: 'RETENTION',
      fromSequence: 1,
      toSequence: 3,
    })
    expect(await nextSequences(again, 3)).toEqual([4, 5, 'CaughtUp'])
  })

  test('a restored backup is told as a gap, not as an error for ever', async () => {
    await project.message(source)
    const first = subscribe(target, query, { sourceIds: [source.id] })
    const { cursor } = await next(first)
    await first.end()
    await gateway.sql.query(`update source_heads set log_epoch = 'restored' where source_id = $1`, [source.id])
    const again = subscribe(target, query, { sourceIds: [source.id], after: [cursor] })
    expect(await next(again)).toMatchObject({
      __typename: 'MessagesSkipped',
      reason: 'RESTORED',
      fromSequence: null,
      toSequence: null,
    })
  })

  test('what cannot be streamed is refused before anything is', async () => {
    const refusal = async (variables: object) => codesOf(await subscribe(target, query, { ...variables }).next())
    const sourceIds = [source.id]
    expect(await refusal({ sourceIds: [] })).toEqual(['BAD_USER_INPUT'])
    expect(await refusal({ sourceIds: Array(101).fill(source.id) })).toEqual(['BAD_USER_INPUT'])
    expect(await refusal({ sourceIds: ['nonsense'] })).toEqual(['NOT_FOUND'])
    expect(await refusal({ sourceIds, after: ['garbage'] })).toEqual(['BAD_USER_INPUT'])
    await project.message(source)
    const cursor = (await next(subscribe(target, query, { sourceIds }))).cursor
    await gateway.sql.query(`update source_heads set last_sequence = 0 where source_id = $1`, [source.id])
    expect(await refusal({ sourceIds, after: [cursor] })).toEqual(['BAD_USER_INPUT'])
    const stranger = await gateway.newProject()
    const foreign = await stranger.source()
    const strange = { baseUrl: gateway.baseUrl, token: (await stranger.key(['admin'])).token }
    const foreignCursor = (await next(subscribe(strange, query, { sourceIds: [foreign.id] }))).cursor
    expect(await refusal({ sourceIds, after: [foreignCursor] })).toEqual(['BAD_USER_INPUT'])
  })

  test('the stream of a source that is deleted ends with NOT_FOUND', async () => {
    const subscription = subscribe(target, query, { sourceIds: [source.id] })
    await next(subscription)
    await dataOf(
      target,
      `mutation { deleteSource(input: { id: "${source.id}" }) { ... on DeletePayload { deletedId } } }`,
    )
    expect(codesOf(await subscription.next())).toEqual(['NOT_FOUND'])
    expect(await subscription.next()).toBeNull()
  })

  test('deliveries are told as they are, then as they change', async () => {
    const receiver = await startReceiver()
    try {
      await project.endpoint(receiver.url)
      const deliveries =
        'subscription { deliveryUpdated { id status message { sequence } attempts { nodes { number } } } }'
      await project.message(source)
      const subscription = subscribe(target, deliveries)
      const seen: string[] = []
      let last: Loose
      do {
        last = (await subscription.next()).data.deliveryUpdated
        seen.push(last.status)
      } while (last.status !== 'DELIVERED')
      expect(seen.filter((status) => status === 'DELIVERED')).toHaveLength(1)
      await project.message(source)
      do last = (await subscription.next()).data.deliveryUpdated
      while (last.status !== 'DELIVERED' || last.message.sequence !== 2)
      expect(last.attempts.nodes).toEqual([{ number: 1 }])
    } finally {
      await receiver.close()
    }
  })

  test('a revoked key ends its stream', async () => {
    const { id, token } = await project.key(['listen'])
    const subscription = subscribe({ ...target, token }, query, { sourceIds: [source.id] })
    await next(subscription)
    await project.revoke(id)
    const ended = subscription.next()
    if (subscribe === overWebSocket) await expect(ended).rejects.toMatchObject({ code: 4403 })
    else {
      expect(codesOf(await ended)).toEqual(['UNAUTHENTICATED'])
      expect(await subscription.next()).toBeNull()
    }
  })
})
