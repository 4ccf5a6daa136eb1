import type { Sql } from '../db/sql.ts'

const stepRows = 1_000
/** A backlog beyond this is left for the next time. */
const maxSteps = 200
/** So long a finished delivery and its attempts can still be looked up when their message is gone. */
const outliveDays = 7

/**
 * Removes the deliveries whose messages were dropped seven days ago or longer, with their attempts: without an end of
 * their own they would fill the disk. Each step is a transaction of its own.
 *
 * @returns how many there were.
 */
export async function removeOutlived(sql: Sql, closing: AbortSignal): Promise<number> {
  let total = 0
  let from = new Date(0)
  for (let step = 0; step < maxSteps && !closing.aborted; step += 1) {
    const [removed] = await sql.query<RemovedRow>(removeText, [from, outliveDays, stepRows])
    total += removed?.count ?? 0
    if (removed === undefined || removed.latest === null || removed.count < stepRows) break
    from = removed.latest
  }
  return total
}

interface RemovedRow {
  count: number
  latest: Date | null
}

// Beginning where the step before ended spares the scan the dead rows. Milliseconds are cut off, never rounded up: what
// is looked at twice is gone. Arrays and no joins: these read the tables whole as long as they are not analyzed. Indexes: deliveries_message_dropped_at_index, attempts_delivery_id_id_index.
const removeText = `
  with doomed as materialized (
    select d.id, d.message_dropped_at
      from deliveries as d
     where d.message_dropped_at >= $1::timestamptz
       and d.message_dropped_at < now() - make_interval(days => $2::int)
     order by d.message_dropped_at
     limit $3::int
       for update skip locked
  ), attempt as (
    delete from attempts as a
     where a.delivery_id = any(array(select d.id from doomed as d))
  ), delivery as (
    delete from deliveries as d
     where d.id = any(array(select x.id from doomed as x))
  )
  select count(*)::int as count, date_trunc('milliseconds', max(d.message_dropped_at)) as latest
    from doomed as d`
