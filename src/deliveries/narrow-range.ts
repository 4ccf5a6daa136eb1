import type { Sql } from '../db/sql.ts'
import type { TimeRange } from '../kernel/time-range.ts'
import { createMessageStore } from '../messages/index.ts'
import type { LogRange } from './replay-step.ts'

/** Messages are not stored further out of the order in which they were received; see `firstSequenceSince`. */
const disorderMs = 10_000

/**
 * Narrows a range of a log to a span of time.
 *
 * @returns a range that holds all messages received in that time, and few others; and how many of its messages were
 *   received in that time, of which only those near the ends are counted one by one.
 */
export async function narrowRange(
  sql: Sql,
  range: LogRange,
  { from, to }: TimeRange,
): Promise<{ readonly range: LogRange; readonly count: number }> {
  const store = createMessageStore(sql)
  const { sourceId } = range
  const clamp = (sequence: number) => Math.min(Math.max(sequence, range.after + 1), range.upTo + 1)
  const since = async (time: Date, moreMs: number) =>
    clamp(await store.firstSequenceSince(sourceId, new Date(time.getTime() + moreMs)))
  // The first that may be in it, the first that surely is; the first that may not be, the first that surely is not.
  const begin = from ? await since(from, 0) : range.after + 1
  const surely = from ? await since(from, disorderMs) : begin
  const mayEnd = to ? await since(to, 0) : range.upTo + 1
  const end = to ? await since(to, disorderMs) : mayEnd
  const inner = { from: Math.min(surely, mayEnd), to: mayEnd }
  const values = [sourceId, begin, inner.from, inner.to, end, from ?? null, to ?? null]
  const [row] = await sql.query<{ count: number }>(countText, values)
  const count = inner.to - inner.from + (row?.count ?? 0)
  return { range: { sourceId, after: begin - 1, upTo: end - 1 }, count }
}

// Of the two ends alone. Index: messages_pkey.
const countText = `
  select count(*)::int as count
    from messages as m
   where m.source_id = $1::text
     and (m.sequence >= $2::bigint and m.sequence < $3::bigint
          or m.sequence >= $4::bigint and m.sequence < $5::bigint)
     and ($6::timestamptz is null or m.received_at >= $6::timestamptz)
     and ($7::timestamptz is null or m.received_at < $7::timestamptz)`
