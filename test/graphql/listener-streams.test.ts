import { describe, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { codesOf, dataOf, type Loose, overEventStream, overWebSocket } from './client.ts'
import {
  acknowledge,
  create,
  cursorLater,
  events,
  gateway,
  keep,
  listener,
  nameOf,
  openStream,
  project,
  publish,
  source,
  streamQuery,
  target,
} from './listener-world.ts'

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
    const stream = await openStream()
    expect(await stream.take(5)).toEqual(seen.map(nameOf))
    await stream.subscription.end()
    await until(async () => (await listener()).state, 'WAITING')
    expect(await acknowledge({ listenerId: id, cursor: before.cursor })).toMatchObject({ lagCount: 3 })
    expect(await acknowledge({ listenerId: id, cursor: (seen[1] as Loose).cursor })).toMatchObject({ lagCount: 2 })
    expect((await events()).map(nameOf)).toEqual(['2', '3', 'CaughtUp'])
  })
})
