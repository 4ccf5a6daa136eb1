import type { Sql } from '../db/sql.ts'
import { addExcluded, counters, eachCounter, sumOfHistograms } from './columns.ts'

/*
 * Fresh counts become rollups: taken away here and added there in one statement, so that none is lost or counts twice.
 * What is counted late, into a minute that was folded before, is folded as well the next time.
 */

/** @returns how many rows were folded, `limit` at most. */
export async function foldFreshCounts(sql: Sql, limit: number): Promise<number> {
  const [row] = await sql.query<{ count: number }>(foldText, [limit])
  return row?.count ?? 0
}

/** Removes rollups that have had their time. @returns how many there were, `limit` at most. */
export async function removeOldRollups(sql: Sql, limit: number): Promise<number> {
  return (await sql.query(removeOldText, [limit])).length
}

/** Removes what was counted for a node that is deleted, `limit` rows of each kind at most. @returns how many there were. */
export async function removeRollupsOf(sql: Sql, nodeId: string, limit: number): Promise<number> {
  const [row] = await sql.query<{ count: number }>(removeOfText, [nodeId, limit])
  return row?.count ?? 0
}

/** How long rollups are kept. */
export const keptHours = { minute: 48, hour: 90 * 24, day: 2 * 365 * 24 } as const

export type Span = keyof typeof keptHours

// A row that is being counted into just now is left for the next time, be it locked or have moved: it is taken away by its
// place, since by its key the planner would read all that waits in each step. Indexes: fresh_counts_pkey, rollups_pkey.
const foldText = `
  with picked as materialized (
    select f.ctid
      from fresh_counts as f
     where f.minute < date_trunc('minute', now(), 'UTC') - interval '1 minute'
     order by f.node_id, f.minute, f.shard
     limit $1::int
       for update skip locked
  ), taken as (
    delete from fresh_counts as f
     where f.ctid = any(array(select p.ctid from picked as p))
    returning f.*
  ), total as (
    select t.node_id, s.span, date_trunc(s.span, t.minute, 'UTC') as starts_at,
           ${eachCounter((counter) => `sum(t.${counter}) as ${counter}`)}, ${sumOfHistograms('t.histogram')}::bigint[] as histogram
      from taken as t
     cross join (values ('minute'), ('hour'), ('day')) as s (span)
     group by t.node_id, s.span, date_trunc(s.span, t.minute, 'UTC')
  ), folded as (
    insert into rollups as r (node_id, span, starts_at, ${counters.join(', ')}, histogram)
    select t.node_id, t.span, t.starts_at, ${eachCounter((counter) => `t.${counter}`)}, t.histogram
      from total as t
     order by t.node_id, t.span, t.starts_at
        on conflict (node_id, span, starts_at) do update ${addExcluded('r')}
  )
  select count(*)::int as count from taken`

// Two intervals longer than promised: what began before the time asked about still belongs to it, and one more may be asked
// about by who looked at the clock a little earlier. Index: rollups_span_starts_at_index.
const removeOldText = `
  delete from rollups as r
   using (select x.node_id, x.span, x.starts_at
            from (values ${Object.entries(keptHours)
              .map(([span, hours]) => `('${span}', now() - interval '${hours} hours' - interval '2 ${span}')`)
              .join(', ')}) as s (span, oldest)
            join rollups as x on x.span = s.span and x.starts_at < s.oldest
           limit $1::int
             for update of x skip locked) as old
   where r.node_id = old.node_id
     and r.span = old.span
     and r.starts_at = old.starts_at
  returning r.span`

// Indexes: fresh_counts_pkey, rollups_pkey.
const removeOfText = `
  with fresh as (
    delete from fresh_counts as f
     using (select x.minute, x.shard
              from fresh_counts as x
             where x.node_id = $1::text
             order by x.minute, x.shard
             limit $2::int
               for update) as doomed
     where f.node_id = $1::text
       and f.minute = doomed.minute
       and f.shard = doomed.shard
    returning f.shard
  ), folded as (
    delete from rollups as r
     using (select x.span, x.starts_at
              from rollups as x
             where x.node_id = $1::text
             order by x.span, x.starts_at
             limit $2::int
               for update) as doomed
     where r.node_id = $1::text
       and r.span = doomed.span
       and r.starts_at = doomed.starts_at
    returning r.span
  )
  select (select count(*) from fresh)::int + (select count(*) from folded)::int as count`
