import { Registry } from 'prom-client'
import { expect, test, vi } from 'vitest'
import {
  createSource,
  createTestFeed,
  range,
  retainFrom,
  sql,
  take,
  theBus,
  useFeedWorld,
  words,
  write,
} from '../../test/support/feed-world.ts'
import { newId } from '../kernel/ids.ts'
import { type Bus, sourceChannel } from './bus.ts'
import { createMemoryBus } from './memory-bus.ts'

useFeedWorld()

// --- positions

test('a stream from now is told at once that it is caught up, and then sees each new message', async () => {
  const sourceId = await createSource()
  await write(sourceId, 3)
  const { open } = createTestFeed()
  const stream = open({ sourceId, after: 'now' })
  expect(words(await take(stream, 1))).toBe('caught-up@3')
  await write(sourceId, 1)
  await write(sourceId, 2)
  const events = await take(stream, 3)
  expect(words(events)).toBe('4 5 6')
  expect(events[0]).toMatchObject({ sourceId, logEpoch: 'epoch-1', row: { id: `${sourceId}:4` } })
})

test('a stream that resumes sees the backlog, is told once that it is caught up, and goes on', async () => {
  const sourceId = await createSource()
  await write(sourceId, 12)
  const { open } = createTestFeed({ pageRows: 5 })
  const stream = open({ sourceId, after: 4, logEpoch: 'epoch-1' })
  expect(words(await take(stream, 9))).toBe('5 6 7 8 9 10 11 12 caught-up@12')
  await write(sourceId, 2)
  expect(words(await take(stream, 2))).toBe('13 14')
})

test('an empty source is caught up at 0', async () => {
  const sourceId = await createSource()
  const { open } = createTestFeed()
  const stream = open({ sourceId, after: 0 })
  expect(words(await take(stream, 1))).toBe('caught-up@0')
  await write(sourceId, 1)
  expect(words(await take(stream, 1))).toBe('1')
})

test('a source that does not exist, or is deleted later, ends the stream with NOT_FOUND', async () => {
  const [kept, deleted] = [await createSource(), await createSource()]
  const { open } = createTestFeed({ pollMs: { healthy: 50, unhealthy: 50 } })
  await expect(open({ sourceId: newId('src'), after: 0 }).next()).rejects.toMatchObject({ code: 'NOT_FOUND' })
  const stream = open({ sourceId: deleted, after: 0 }, { sourceId: kept, after: 0 })
  const other = open({ sourceId: kept, after: 0 })
  await take(stream, 2)
  await sql(`delete from source_heads where source_id = $1`, [deleted])
  await expect(stream.next()).rejects.toMatchObject({ code: 'NOT_FOUND' })
  expect(await stream.next()).toEqual({ done: true, value: undefined })
  await write(kept, 1)
  expect(words(await take(other, 2))).toBe('caught-up@0 1')
})

// --- gaps

test('what retention took before the stream began is told as one gap', async () => {
  const sourceId = await createSource()
  await write(sourceId, 10)
  await retainFrom(sourceId, 7)
  const { open } = createTestFeed()
  expect(words(await take(open({ sourceId, after: 2 }), 6))).toBe('gap:retention:3-6@6 7 8 9 10 caught-up@10')
  expect(words(await take(open({ sourceId, after: 6 }), 2))).toBe('7 8')
})

test('a log that retention emptied is one gap to its end', async () => {
  const sourceId = await createSource()
  await write(sourceId, 10)
  await retainFrom(sourceId, 11)
  const { open } = createTestFeed()
  const stream = open({ sourceId, after: 2 })
  expect(words(await take(stream, 2))).toBe('gap:retention:3-10@10 caught-up@10')
  await write(sourceId, 1)
  expect(words(await take(stream, 1))).toBe('11')
})

test('what retention takes while a slow stream lags behind is told as gaps without overlap', async () => {
  const sourceId = await createSource()
  await write(sourceId, 10)
  const { open } = createTestFeed({ pageRows: 2, tailBytes: 1 })
  const stream = open({ sourceId, after: 0 })
  expect(words(await take(stream, 1))).toBe('1')
  await retainFrom(sourceId, 6)
  expect(words(await take(stream, 3))).toBe('2 gap:retention:3-5@5 6')
  await retainFrom(sourceId, 11)
  expect(words(await take(stream, 3))).toBe('7 gap:retention:8-10@10 caught-up@10')
})

test('what retention takes from those who wait at the end for a lost wake-up is told as a gap', async () => {
  const sourceId = await createSource()
  const { open } = createTestFeed()
  const stream = open({ sourceId, after: 0 })
  await take(stream, 1)
  await write(sourceId, 10, createMemoryBus())
  await retainFrom(sourceId, 11)
  theBus().publish(sourceChannel(sourceId))
  expect(words(await take(stream, 1))).toBe('gap:retention:1-10@10')
  await write(sourceId, 1)
  expect(words(await take(stream, 1))).toBe('11')
})

test('a position of another history gives a gap, then all that is kept', async () => {
  const sourceId = await createSource({ firstSequence: 5 })
  await write(sourceId, 2)
  const { open } = createTestFeed()
  const expected = 'gap:restored@4 5 6 caught-up@6'
  expect(words(await take(open({ sourceId, after: 6, logEpoch: 'epoch-0' }), 4))).toBe(expected)
  expect(words(await take(open({ sourceId, after: 99, logEpoch: 'epoch-1' }), 4))).toBe(expected)
})

test('a log that is restored under a running stream gives a gap, then all that is kept', async () => {
  const sourceId = await createSource()
  await write(sourceId, 5)
  const { open } = createTestFeed()
  const stream = open({ sourceId, after: 0 })
  expect(words(await take(stream, 6))).toBe('1 2 3 4 5 caught-up@5')
  await sql(`delete from messages where sequence > 3`)
  await sql(`update source_heads set log_epoch = 'epoch-2', last_sequence = 3`)
  theBus().publish(sourceChannel(sourceId))
  const events = await take(stream, 4)
  expect(words(events)).toBe('gap:restored@0 1 2 3')
  expect(events.every((event) => event.logEpoch === 'epoch-2')).toBe(true)
  await write(sourceId, 1)
  expect(words(await take(stream, 1))).toBe('4')
})

test('a log that lost its end with its primary gives a gap, not silence', async () => {
  const sourceId = await createSource()
  await write(sourceId, 5)
  const { open } = createTestFeed()
  const stream = open({ sourceId, after: 4 })
  expect(words(await take(stream, 2))).toBe('5 caught-up@5')
  await sql(`delete from messages where sequence > 3`)
  await sql(`update source_heads set last_sequence = 3`)
  theBus().publish(sourceChannel(sourceId))
  expect(words(await take(stream, 2))).toBe('gap:restored@0 1')
})

// --- sharing and bounds

test('streams that wait at the end share one reading, and get the very same event', async () => {
  const sourceId = await createSource()
  const { reader, open } = createTestFeed()
  const streams = range(1, 50).map(() => open({ sourceId, after: 'now' }))
  for (const stream of streams) await take(stream, 1)
  expect(reader.headCalls).toHaveLength(1)
  const waiting = streams.map((stream) => take(stream, 3))
  await write(sourceId, 3)
  const events = await Promise.all(waiting)
  expect(new Set(events.map((of) => of[2])).size).toBe(1)
  expect(reader.pageCalls).toHaveLength(1)
})

test('nothing is read for a stream that is not pulled, and it holds up nobody', async () => {
  const sourceId = await createSource()
  await write(sourceId, 100)
  const { reader, open } = createTestFeed({ pageRows: 10, tailBytes: 2_000 })
  const slow = open({ sourceId, after: 0 })
  const idle = open({ sourceId, after: 0 })
  expect(words(await take(slow, 2))).toBe('1 2')
  const readBefore = reader.pageCalls.length
  await write(sourceId, 1)
  theBus().publish(sourceChannel(sourceId))
  await vi.waitUntil(() => reader.headCalls.length === 2)
  expect(reader.pageCalls).toHaveLength(readBefore)

  const quick = open({ sourceId, after: 50 })
  expect(words(await take(quick, 52))).toBe(`${range(51, 101).join(' ')} caught-up@101`)
  await write(sourceId, 100)
  expect(words(await take(quick, 100))).toBe(range(102, 201).join(' '))
  expect(words(await take(slow, 200))).toBe(`${range(3, 201).join(' ')} caught-up@201`)
  expect(words(await take(idle, 3))).toBe('1 2 3')
})

test('a stream from now does not wait for what slower streams have not read', async () => {
  const sourceId = await createSource()
  const { reader, open } = createTestFeed({ pageRows: 10 })
  const slow = open({ sourceId, after: 'now' })
  await take(slow, 1)
  await write(sourceId, 1_000)
  const quick = open({ sourceId, after: 'now' })
  expect(words(await take(quick, 1))).toBe('caught-up@1000')
  const next = take(quick, 1)
  await write(sourceId, 1)
  expect(words(await next)).toBe('1001')
  expect(reader.pageCalls).toEqual([{ sourceId, after: 1_000 }])
  expect(words(await take(slow, 1_001))).toBe(range(1, 1_001).join(' '))
})

test('a source with a long backlog does not hide the others', async () => {
  const [long, medium, live] = [await createSource(), await createSource(), await createSource()]
  await write(long, 5_000)
  await write(medium, 20)
  const { open } = createTestFeed({ pageRows: 20 })
  const stream = open({ sourceId: long, after: 0 }, { sourceId: medium, after: 0 }, { sourceId: live, after: 'now' })
  const events = await take(stream, 100)
  expect(events.filter(({ sourceId }) => sourceId === medium)).toHaveLength(21)
  expect(events.filter(({ sourceId }) => sourceId === live)).toHaveLength(1)
  await write(live, 1)
  while (events.at(-1)?.sourceId !== live) events.push(...(await take(stream, 1)))
  expect(events.length).toBeLessThan(4_000)
  events.push(...(await take(stream, 5_024 - events.length)))
  const ofLong = events.filter(({ sourceId }) => sourceId === long)
  expect(words(ofLong)).toBe(`${range(1, 5_000).join(' ')} caught-up@5000`)
})

// --- cancelling

test('an abort ends a waiting stream at once, and the source is not watched any more', async () => {
  const sourceId = await createSource()
  const channels = new Set<string>()
  const counting: Bus = {
    ...theBus(),
    subscribe(channel, listener) {
      const leave = theBus().subscribe(channel, listener)
      channels.add(channel)
      return () => {
        channels.delete(channel)
        leave()
      }
    },
  }
  const { feed, reader } = createTestFeed({ bus: counting, pollMs: { healthy: 50, unhealthy: 50 } })
  const controller = new AbortController()
  const stream = feed.open({ positions: [{ sourceId, after: 0 }], signal: controller.signal })
  await take(stream, 1)
  const waiting = stream.next()
  controller.abort()
  expect(await waiting).toEqual({ done: true, value: undefined })
  expect(await stream.next()).toEqual({ done: true, value: undefined })

  const other = await createSource()
  const later = feed.open({ positions: [{ sourceId: other, after: 0 }], signal: new AbortController().signal })
  await take(later, 1)
  reader.headCalls.length = 0
  await vi.waitUntil(() => reader.headCalls.length > 1)
  expect(new Set(reader.headCalls.flat())).toEqual(new Set([other]))
  expect(channels).toEqual(new Set([sourceChannel(other)]))
})

test('return() and close() end a waiting stream at once, an aborted signal before it begins', async () => {
  const sourceId = await createSource()
  const { feed, open } = createTestFeed()
  const [returned, closed] = [open({ sourceId, after: 0 }), open({ sourceId, after: 0 })]
  await take(returned, 1)
  await take(closed, 1)
  const waiting = [returned.next(), closed.next()]
  await returned.return?.()
  feed.close()
  expect(await Promise.all(waiting)).toEqual([
    { done: true, value: undefined },
    { done: true, value: undefined },
  ])
  const aborted = feed.open({ positions: [{ sourceId, after: 0 }], signal: AbortSignal.abort() })
  expect(await aborted.next()).toEqual({ done: true, value: undefined })
})

test('a break out of for await lets go of the source', async () => {
  const sourceId = await createSource()
  await write(sourceId, 3)
  const metrics = new Registry()
  const { open } = createTestFeed({ metrics })
  for await (const event of open({ sourceId, after: 0 })) {
    if (event.sequence === 2) break
  }
  expect(await metrics.metrics()).toContain('hookline_feed_streams 0')
})
