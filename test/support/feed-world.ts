import type { Pool } from 'pg'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { createPool } from '../../src/db/pool.ts'
import { sqlOfPool, withTransaction } from '../../src/db/sql.ts'
import { newId, type SourceId } from '../../src/kernel/ids.ts'
import { type Bus, sourceChannel } from '../../src/live/bus.ts'
import {
  createFeed,
  type Feed,
  type FeedEvent,
  type FeedOptions,
  type FeedPosition,
  type LogReader,
} from '../../src/live/feed.ts'
import { createMemoryBus } from '../../src/live/memory-bus.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'

export interface FeedRow {
  readonly sequence: number
  readonly sizeBytes: number
  readonly id: string
}

export type FeedTestEvent = FeedEvent<FeedRow>
type Stream = AsyncIterableIterator<FeedTestEvent>

const projectId = newId('prj')
export const never = 3_600_000
const wakeUpsOnly = { healthy: never, unhealthy: never }

// One world at a time: each file has its own.
let database: TestDatabase
let pool: Pool
let bus: Bus
const feeds: Feed<FeedRow>[] = []
const unhandled: unknown[] = []
const noteUnhandled = (reason: unknown): void => {
  unhandled.push(reason)
}

/** Gives each test of a file a bus of its own, and closes what it opened; a rejection that nobody heard fails it. */
export function useFeedWorld(): void {
  beforeAll(async () => {
    database = await createTestDatabase()
    pool = createPool({ ...database, max: 5, applicationName: 'test', onError: () => undefined })
  })
  afterAll(async () => {
    await pool.end()
    await database.drop()
  })

  beforeEach(() => {
    unhandled.length = 0
    process.on('unhandledRejection', noteUnhandled)
    bus = createMemoryBus()
  })

  afterEach(() => {
    for (const feed of feeds.splice(0)) feed.close()
    process.off('unhandledRejection', noteUnhandled)
    expect(unhandled).toEqual([])
  })
}

export function theBus(): Bus {
  return bus
}

/** Runs one statement on the log. */
export async function sql(text: string, values: unknown[] = []): Promise<void> {
  await pool.query(text, values)
}

export async function createSource({ firstSequence = 1 } = {}): Promise<SourceId> {
  const sourceId = newId('src')
  await pool.query(
    `insert into source_heads (source_id, project_id, log_epoch, first_sequence, last_sequence)
     values ($1, $2, 'epoch-1', $3, $3::bigint - 1)`,
    [sourceId, projectId, firstSequence],
  )
  return sourceId
}

/** Commits messages as the recorder does, then wakes. @returns the last sequence. */
export async function write(sourceId: SourceId, count: number, wake: Bus = bus): Promise<number> {
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

export async function retainFrom(sourceId: SourceId, firstSequence: number): Promise<void> {
  await withTransaction(pool, async (sql) => {
    await sql.query(`update source_heads set first_sequence = $2 where source_id = $1`, [sourceId, firstSequence])
    await sql.query(`delete from messages where source_id = $1 and sequence < $2`, [sourceId, firstSequence])
  })
}

/** What reads the log, counting, and failing on demand. */
interface TestReader extends LogReader<FeedRow> {
  readonly headCalls: (readonly SourceId[])[]
  readonly pageCalls: { readonly sourceId: SourceId; readonly after: number }[]
  fails: (call: 'heads' | 'page', sourceId?: SourceId) => boolean
}

function createReader(): TestReader {
  const own = sqlOfPool(pool)
  const reader: TestReader = {
    headCalls: [],
    pageCalls: [],
    fails: () => false,
    async heads(sourceIds) {
      reader.headCalls.push(sourceIds)
      if (reader.fails('heads')) throw new Error('the database is away')
      return own.query<{ sourceId: SourceId; logEpoch: string; firstSequence: number; lastSequence: number }>(
        `select source_id as "sourceId", log_epoch as "logEpoch", first_sequence as "firstSequence",
                last_sequence as "lastSequence"
           from source_heads where source_id = any($1::text[])`,
        [sourceIds],
      )
    },
    async page(sourceId, after, limits) {
      reader.pageCalls.push({ sourceId, after })
      if (reader.fails('page', sourceId)) throw new Error('the database is away')
      return own.query<FeedRow>(
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

export function createTestFeed(options: Partial<FeedOptions<FeedRow>> = {}) {
  const reader = createReader()
  const log = pino({ level: 'silent' })
  const feed = createFeed<FeedRow>({ reader, bus, log, metrics: new Registry(), pollMs: wakeUpsOnly, ...options })
  feeds.push(feed)
  const open = (...positions: FeedPosition[]): Stream => feed.open({ positions, signal: new AbortController().signal })
  return { feed, reader, open }
}

export async function take(stream: Stream, count: number): Promise<FeedTestEvent[]> {
  const events: FeedTestEvent[] = []
  while (events.length < count) {
    const { done, value } = await stream.next()
    if (done === true) break
    events.push(value)
  }
  return events
}

/** Short words for events: `1 2 caught-up@2 gap:retention:3-5@5`. */
export function words(events: readonly FeedTestEvent[]): string {
  return events
    .map((event) => {
      if (event.kind === 'message') return String(event.sequence)
      if (event.kind !== 'gap') return `${event.kind}@${event.sequence}`
      const range = event.reason === 'restored' ? '' : `:${event.fromSequence}-${event.toSequence}`
      return `gap:${event.reason}${range}@${event.sequence}`
    })
    .join(' ')
}

export const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index)
