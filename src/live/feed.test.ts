import type { Pool } from 'pg'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../test/support/database.ts'
import { createPool } from '../db/pool.ts'
import { sqlOfPool, withTransaction } from '../db/sql.ts'
import { newId, type SourceId } from '../kernel/ids.ts'
import { type Bus, sourceChannel } from './bus.ts'
import { createFeed, type Feed, type FeedEvent, type FeedOptions, type FeedPosition, type LogReader } from './feed.ts'
import { createMemoryBus } from './memory-bus.ts'

interface Row {
  readonly sequence: number
  readonly sizeBytes: number
  readonly id: string
}

type Event = FeedEvent<Row>
type Stream = AsyncIterableIterator<Event>

const projectId = newId('prj')
const never = 3_600_000
const wakeUpsOnly = { healthy: never, unhealthy: never }

let database: TestDatabase
let pool: Pool
let bus: Bus
const feeds: Feed<Row>[] = []
const unhandled: unknown[] = []
const noteUnhandled = (reason: unknown): void => {
  unhandled.push(reason)
}

beforeEach(async () => {
  unhandled.length = 0
  process.on('unhandledRejection', noteUnhandled)
  database = await createTestDatabase()
  const { databaseUrl } = database
  pool = createPool({ databaseUrl, max: 5, applicationName: 'test', onError: () => undefined })
  bus = createMemoryBus()
})

afterEach(async () => {
  for (const feed of feeds.splice(0)) feed.close()
  await pool.end()
  await database.drop()
  process.off('unhandledRejection', noteUnhandled)
  expect(unhandled).toEqual([])
})

// --- the log

async function createSource({ firstSequence = 1 } = {}): Promise<SourceId> {
  const sourceId = newId('src')
  await pool.query(
    `insert into source_heads (source_id, project_id, log_epoch, first_sequence, last_sequence)
     values ($1, $2, 'epoch-1', $3, $3::bigint - 1)`,
    [sourceId, projectId, firstSequence],
  )
  return sourceId
}

/** Commits messages as the recorder does, then wakes. @returns the last sequence. */
async function write(sourceId: SourceId, count: number, wake: Bus = bus): Promise<number> {
  const last = await withTransaction(pool, async (sql) => {
    const [head] = await sql.query<{ last: number }>(
      `update source_heads set last_sequence = last_sequence + $2::int where source_id = $1
       returning last_sequence as last`,
      [sourceId, count],
    )
    const to = head?.last ?? 0
    await sql.query(
      `insert into messages (source_id, sequence, id, project_id, received_at, method, headers, remote_address, body)
       select $1, s, $1 || ':' || s, $2, now(), 'POST', '[]', '127.0.0.1', convert_to(repeat('x', (s % 50)::int), 'UTF8')
         from generate_series($3::bigint, $4::bigint) as s`,
      [sourceId, projectId, to - count + 1, to],
    )
    return to
  })
  wake.publish(sourceChannel(sourceId), String(last))
  return last
}

async function retainFrom(sourceId: SourceId, firstSequence: number): Promise<void> {
  await withTransaction(pool, async (sql) => {
    await sql.query(`update source_heads set first_sequence = $2 where source_id = $1`, [sourceId, firstSequence])
    await sql.query(`delete from messages where source_id = $1 and sequence < $2`, [sourceId, firstSequence])
  })
}

/** What reads the log, counting, and failing on demand. */
interface TestReader extends LogReader<Row> {
  readonly headCalls: (readonly SourceId[])[]
  readonly pageCalls: { readonly sourceId: SourceId; readonly after: number }[]
  fails: (call: 'heads' | 'page', sourceId?: SourceId) => boolean
}

function createReader(): TestReader {
  const sql = sqlOfPool(pool)
  const reader: TestReader = {
    headCalls: [],
    pageCalls: [],
    fails: () => false,
    async heads(sourceIds) {
      reader.headCalls.push(sourceIds)
      if (reader.fails('heads')) throw new Error('the database is away')
      return sql.query<{ sourceId: SourceId; logEpoch: string; firstSequence: number; lastSequence: number }>(
        `select source_id as "sourceId", log_epoch as "logEpoch", first_sequence as "firstSequence",
                last_sequence as "lastSequence"
           from source_heads where source_id = any($1::text[])`,
        [sourceIds],
      )
    },
    async page(sourceId, after, limits) {
      reader.pageCalls.push({ sourceId, after })
      if (reader.fails('page', sourceId)) throw new Error('the database is away')
      return sql.query<Row>(
        `select sequence, id, size as "sizeBytes"
           from (select sequence, id, 100 + length(body) as size,
                        sum(100 + length(body)) over (order by sequence) - 100 - length(body) as bytes_before
                   from messages where source_id = $1 and sequence > $2
                  order by sequence limit $3::int) as page
          where bytes_before < $4::int order by sequence`,
        [sourceId, after, limits.maxRows, limits.maxBytes],
      )
    },
  }
  return reader
}

function createTestFeed(options: Partial<FeedOptions<Row>> = {}) {
  const reader = createReader()
  const log = pino({ level: 'silent' })
  const feed = createFeed<Row>({ reader, bus, log, metrics: new Registry(), pollMs: wakeUpsOnly, ...options })
  feeds.push(feed)
  const open = (...positions: FeedPosition[]): Stream => feed.open({ positions, signal: new AbortController().signal })
  return { feed, reader, open }
}

async function take(stream: Stream, count: number): Promise<Event[]> {
  const events: Event[] = []
  while (events.length < count) {
    const { done, value } = await stream.next()
    if (done === true) break
    events.push(value)
  }
  return events
}

/** Short words for events: `1 2 caught-up@2 gap:retention:3-5@5`. */
function words(events: readonly Event[]): string {
  return events
    .map((event) => {
      if (event.kind === 'message') return String(event.sequence)
      if (event.kind !== 'gap') return `${event.kind}@${event.sequence}`
      const range = event.reason === 'restored' ? '' : `:${event.fromSequence}-${event.toSequence}`
      return `gap:${event.reason}${range}@${event.sequence}`
    })
    .join(' ')
}

/** A small generator of random numbers, so that a failure repeats. */
function randomOf(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor((state / 2 ** 31) * below)
  }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index)

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
  await pool.query(`delete from source_heads where source_id = $1`, [deleted])
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
  bus.publish(sourceChannel(sourceId))
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
  await pool.query(`delete from messages where sequence > 3`)
  await pool.query(`update source_heads set log_epoch = 'epoch-2', last_sequence = 3`)
  bus.publish(sourceChannel(sourceId))
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
  await pool.query(`delete from messages where sequence > 3`)
  await pool.query(`update source_heads set last_sequence = 3`)
  bus.publish(sourceChannel(sourceId))
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
  bus.publish(sourceChannel(sourceId))
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
    ...bus,
    subscribe(channel, listener) {
      const leave = bus.subscribe(channel, listener)
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

// --- what can fail

test('a lost wake-up costs a wait for the next poll, not a message', async () => {
  const sourceId = await createSource()
  const { open } = createTestFeed({ pollMs: { healthy: 50, unhealthy: never } })
  const stream = open({ sourceId, after: 0 })
  await take(stream, 1)
  await write(sourceId, 2, createMemoryBus())
  expect(words(await take(stream, 2))).toBe('1 2')
})

test('after the bus has recovered every stream looks again', async () => {
  const sourceId = await createSource()
  const recovered: (() => void)[] = []
  const recovering: Bus = {
    ...bus,
    onRecovered(listener) {
      recovered.push(listener)
      return () => undefined
    },
  }
  const { open } = createTestFeed({ bus: recovering })
  const stream = open({ sourceId, after: 0 })
  await take(stream, 1)
  await write(sourceId, 2, createMemoryBus())
  for (const listener of recovered) listener()
  expect(words(await take(stream, 2))).toBe('1 2')
})

test('a wake-up that says too much, or nonsense, does no harm', async () => {
  const sourceId = await createSource()
  const { reader, open } = createTestFeed()
  const stream = open({ sourceId, after: 0 })
  await take(stream, 1)
  const waiting = take(stream, 1)
  for (const payload of ['9007199254740991', '-5', 'NaN', '1e300', '', '1.5']) {
    bus.publish(sourceChannel(sourceId), payload)
    const heads = reader.headCalls.length + reader.pageCalls.length
    if (payload !== '-5') await vi.waitUntil(() => reader.headCalls.length + reader.pageCalls.length > heads)
  }
  expect(reader.pageCalls.length).toBeLessThan(5)
  await write(sourceId, 1)
  expect(words(await waiting)).toBe('1')
})

test('streams wait while the database is away, and go on when it is back', async () => {
  const sourceId = await createSource()
  await write(sourceId, 30)
  const { reader, open } = createTestFeed({ pageRows: 10 })
  reader.fails = () => true
  const stream = open({ sourceId, after: 0 })
  const waiting = take(stream, 31)
  await vi.waitUntil(() => reader.headCalls.length > 1)
  reader.fails = (call) => call === 'page'
  await vi.waitUntil(() => reader.pageCalls.length > 1, 5_000)
  reader.fails = () => false
  expect(words(await waiting)).toBe(`${range(1, 30).join(' ')} caught-up@30`)

  const next = take(stream, 3)
  reader.fails = () => true
  const before = reader.pageCalls.length
  await write(sourceId, 3)
  await vi.waitUntil(() => reader.pageCalls.length > before + 1, 5_000)
  reader.fails = () => false
  expect(words(await next)).toBe('31 32 33')
})

test('a source that cannot be read holds up itself alone', async () => {
  const [broken, sound] = [await createSource(), await createSource()]
  await write(broken, 5)
  await write(sound, 30)
  const { reader, open } = createTestFeed({ pageRows: 10 })
  reader.fails = (call, sourceId) => call === 'page' && sourceId === broken
  const stream = open({ sourceId: broken, after: 0 }, { sourceId: sound, after: 0 })
  expect(words(await take(stream, 31))).toBe(`${range(1, 30).join(' ')} caught-up@30`)
  reader.fails = () => false
  expect(words(await take(stream, 6))).toBe('1 2 3 4 5 caught-up@5')
})

// --- all at once

test.each([
  ['roomy pages and tails, no wake-up lost', 500, 8_000_000, 0],
  ['tiny pages', 2, 8_000_000, 30],
  ['tiny tails', 7, 300, 30],
  ['no tail at all, most wake-ups lost', 3, 1, 80],
])('every subscriber sees every message once and in order: %s', async (_, pageRows, tailBytes, lostPercent) => {
  const random = randomOf(pageRows + lostPercent)
  const sourceIds = await Promise.all(range(1, 3).map(() => createSource()))
  const last = 400
  const lossy: Bus = {
    ...bus,
    publish: (channel, payload) => random(100) >= lostPercent && bus.publish(channel, payload),
  }
  const { open } = createTestFeed({
    pageRows,
    tailBytes,
    totalTailBytes: tailBytes * 2,
    pollMs: { healthy: lostPercent === 0 ? never : 50, unhealthy: never },
  })

  async function writeAll(sourceId: SourceId): Promise<void> {
    for (let written = 0; written < last; )
      written = await write(sourceId, 1 + random(Math.min(20, last - written)), lossy)
  }

  async function subscribe(): Promise<void> {
    const after = random(3) === 0 ? 'now' : 0
    const stream = open(...sourceIds.map((sourceId) => ({ sourceId, after }) as const))
    const seen = new Map<SourceId, Event[]>()
    while (sourceIds.some((sourceId) => !isComplete(seen.get(sourceId), last))) {
      const [event] = await take(stream, 1)
      if (event === undefined) throw new Error('the stream has ended')
      seen.set(event.sourceId, [...(seen.get(event.sourceId) ?? []), event])
      if (random(10) === 0) await new Promise((resolve) => setTimeout(resolve, random(5)))
    }
    await stream.return?.()
    for (const events of seen.values()) {
      const messages = events.filter(({ kind }) => kind === 'message')
      // A stream from now begins wherever the source was, and says so first.
      if (after === 'now') expect(events[0]?.kind).toBe('caught-up')
      const first = after === 'now' ? (events[0]?.sequence ?? 0) + 1 : 1
      expect(words(messages)).toBe(range(first, last).join(' '))
      expect(events).toHaveLength(messages.length + 1)
    }
  }

  const writers = sourceIds.map(writeAll)
  const subscribers: Promise<void>[] = []
  for (let count = 0; count < 40; count += 1) {
    subscribers.push(subscribe())
    await new Promise((resolve) => setTimeout(resolve, random(10)))
  }
  await Promise.all([...writers, ...subscribers])
})

function isComplete(events: readonly Event[] | undefined, last: number): boolean {
  return events?.at(-1)?.sequence === last && events.some(({ kind }) => kind === 'caught-up')
}
