import type { Sql } from '../db/sql.ts'
import { eachCounter, type Span, sumOfHistograms } from '../rollups/index.ts'
import { emptyBucket, type StatsBucket } from './stats-bucket.ts'
import { type Piece, spanMs, type TimeSpan } from './time-span.ts'

/** Buckets of nodes: one of all pieces together, or one for each interval, the empty ones included. */
export interface StatsQuery {
  /** Sources, endpoints, event types or a project; what they counted is added up. */
  readonly nodeIds: readonly string[]
  /** One after the other, without gaps; one at least. */
  readonly pieces: readonly Piece[]
  /** Null: one bucket. Otherwise no shorter than the pieces. */
  readonly interval: Span | null
}

export interface MinutesQuery {
  readonly nodeIds: readonly string[]
  /** Null: since the running minute. */
  readonly sinceMs: number | null
}

export interface LatestMinutes {
  /** By the database's clock. */
  readonly nowMs: number
  /** For each query the minutes in which something was counted, by their beginning. */
  readonly buckets: readonly ReadonlyMap<number, StatsBucket>[]
}

/** All reading of statistics. What it costs depends on the time that is asked about, not on how much happened in it. */
export interface StatsStore {
  /** In one statement. @returns the buckets of each query, oldest first. */
  read(queries: readonly StatsQuery[]): Promise<StatsBucket[][]>
  /** In one statement. */
  latestMinutes(queries: readonly MinutesQuery[]): Promise<LatestMinutes>
}

export function createStatsStore(sql: Sql): StatsStore {
  return {
    async read(queries) {
      if (queries.length === 0) return []
      const parts = queries.flatMap(({ nodeIds, pieces, interval: unit }, place) =>
        nodeIds.flatMap((nodeId) => pieces.map((piece): Part => ({ place, nodeId, unit, ...piece }))),
      )
      const rows = await sql.query<BucketRow>(bucketsText, valuesOf(parts))
      const byPlace = Map.groupBy(rows, (row) => row.place)
      return queries.map((query, place) => bucketsOf(query, byPlace.get(place) ?? []))
    },
    async latestMinutes(queries) {
      const parts = queries.flatMap(({ nodeIds, sinceMs }, place) =>
        nodeIds.map(
          (nodeId): Part => ({ place, nodeId, span: 'minute', fromMs: sinceMs, toMs: endOfTimeMs, unit: 'minute' }),
        ),
      )
      const rows = await sql.query<BucketRow & { now_ms: number }>(latestText, valuesOf(parts))
      const byPlace = Map.groupBy(rows, (row) => row.place)
      return { nowMs: rows[0]?.now_ms ?? 0, buckets: queries.map((_, place) => minutesOf(byPlace.get(place) ?? [])) }
    },
  }
}

/** Beyond all that is counted. */
const endOfTimeMs = Date.UTC(9999, 0)

interface BucketRow extends Record<'received' | 'refused' | 'created' | 'delivered' | 'failed' | 'retried', number> {
  /** Of the query. */
  place: number
  /** Null where all is one bucket. */
  starts_at: Date | null
  attempts: number
  duration_ms: number
  histogram: number[]
}

/** One index range. */
interface Part {
  /** Of the query. */
  readonly place: number
  readonly nodeId: string
  readonly span: Span
  readonly fromMs: number | null
  readonly toMs: number
  /** How long the buckets are; null: all is one. */
  readonly unit: Span | null
}

function valuesOf(parts: readonly Part[]): unknown[] {
  return [
    parts.map((part) => part.place),
    parts.map((part) => part.nodeId),
    parts.map((part) => part.span),
    parts.map((part) => (part.fromMs === null ? null : new Date(part.fromMs))),
    parts.map((part) => new Date(part.toMs)),
    parts.map((part) => part.unit),
  ]
}

function bucketsOf({ pieces, interval }: StatsQuery, rows: readonly BucketRow[]): StatsBucket[] {
  const whole = wholeOf(pieces)
  if (interval === null) {
    const [row] = rows
    return [row === undefined ? emptyBucket(whole.fromMs, whole.toMs) : bucketOf(row, whole)]
  }
  const byBegin = new Map(rows.map((row) => [row.starts_at?.getTime(), row]))
  const lengthMs = spanMs[interval]
  return Array.from({ length: (whole.toMs - whole.fromMs) / lengthMs }, (_, place) => {
    const fromMs = whole.fromMs + place * lengthMs
    const row = byBegin.get(fromMs)
    const span = { fromMs, toMs: fromMs + lengthMs }
    return row === undefined ? emptyBucket(span.fromMs, span.toMs) : bucketOf(row, span)
  })
}

function wholeOf(pieces: readonly Piece[]): TimeSpan {
  return { fromMs: pieces.at(0)?.fromMs ?? 0, toMs: pieces.at(-1)?.toMs ?? 0 }
}

function minutesOf(rows: readonly BucketRow[]): Map<number, StatsBucket> {
  const buckets = new Map<number, StatsBucket>()
  for (const row of rows) {
    const fromMs = row.starts_at?.getTime()
    if (fromMs !== undefined) buckets.set(fromMs, bucketOf(row, { fromMs, toMs: fromMs + spanMs.minute }))
  }
  return buckets
}

function bucketOf(row: BucketRow, { fromMs, toMs }: TimeSpan): StatsBucket {
  return {
    from: new Date(fromMs),
    to: new Date(toMs),
    receivedCount: row.received,
    refusedCount: row.refused,
    createdCount: row.created,
    deliveredCount: row.delivered,
    failedCount: row.failed,
    retriedCount: row.retried,
    attemptCount: row.attempts,
    durationMs: row.duration_ms,
    histogram: row.histogram,
  }
}

// Doubles hold sums up to 2^53 exactly, where sums of bigint become numeric.
const summed = eachCounter((counter) => `sum(c.${counter}::float8) as ${counter}`)
const columns = (row: string) => `${eachCounter((counter) => `${row}.${counter}`)}, ${row}.histogram`

// What was not folded yet is added, which is that of some minutes. What makes up one bucket has no beginning of its own. The
// limits cut nothing: they keep the planner from reading the tables whole. Indexes: rollups_pkey, fresh_counts_pkey.
const bucketRows = `
  with part as materialized (
    select p.place, p.node_id, p.span, coalesce(p.from_time, date_trunc('minute', now(), 'UTC')) as from_time, p.to_time,
           p.unit
      from unnest($1::int[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::text[])
        as p (place, node_id, span, from_time, to_time, unit)
  ), counted as materialized (
    select p.place, date_trunc(p.unit, r.starts_at, 'UTC') as starts_at, ${columns('r')}
      from part as p
     cross join lateral (
       select *
         from rollups as x
        where x.node_id = p.node_id
          and x.span = p.span
          and x.starts_at >= p.from_time
          and x.starts_at < p.to_time
        order by x.starts_at
        limit 1000000) as r
    union all
    select p.place, date_trunc(p.unit, f.minute, 'UTC') as starts_at, ${columns('f')}
      from part as p
     cross join lateral (
       select *
         from fresh_counts as x
        where x.node_id = p.node_id
          and x.minute >= p.from_time
          and x.minute < p.to_time
        order by x.minute, x.shard
        limit 1000000) as f
  ), bucket as (
    select c.place, c.starts_at, ${summed}, ${sumOfHistograms('c.histogram')} as histogram
      from counted as c
     group by c.place, c.starts_at
  )`

const bucketsText = `${bucketRows}
  select *
    from bucket`

// One row at least, which tells the time.
const latestText = `${bucketRows}
  select b.*, (extract(epoch from now()) * 1000)::float8 as now_ms
    from (values (1)) as one
    left join bucket as b on true`
