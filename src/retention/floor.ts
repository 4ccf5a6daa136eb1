import type { Sql } from '../db/sql.ts'
import type { SourceId } from '../kernel/ids.ts'
import { keepsMessage, ruleLateral } from './rule.ts'

/**
 * Moves the source's floor to the first message that its rule keeps, as far as it is fanned out.
 *
 * @param defaultMaxAgeHours where neither source nor project has a rule; null: unlimited.
 * @returns the floor as it is now; null when the source is gone.
 */
export async function moveFloor(
  sql: Sql,
  sourceId: SourceId,
  defaultMaxAgeHours: number | null,
): Promise<number | null> {
  const [found] = await sql.query<{ first_sequence: number; floor: number }>(findText, [sourceId, defaultMaxAgeHours])
  if (found === undefined) return null
  if (found.floor > found.first_sequence) await sql.query(moveText, [sourceId, found.floor])
  return found.floor
}

// Halves the kept part of the log until the place is found where messages begin to be kept: some twenty looks into
// messages_pkey, however long the log is. `high` is kept or the place after the last one that may go; `low` goes, or is
// the place before the first.
const findText = `
  with recursive head as materialized (
    select h.source_id, h.first_sequence, h.last_sequence, h.log_bytes,
           greatest(least(h.last_sequence, k.fanned_out_to) + 1, h.first_sequence) as top,
           r.max_messages, r.max_bytes, r.max_age_hours
      from source_heads as h
      join fan_out_marks as k on k.source_id = h.source_id
      left join sources as s on s.id = h.source_id
      left join projects as p on p.id = h.project_id
${ruleLateral('$2::bigint')}
     where h.source_id = $1::text
  ), search (low, high) as (
    select h.first_sequence - 1, h.top
      from head as h
    union all
    select case when probe.keeps then q.low else q.middle end,
           case when probe.keeps then q.middle else q.high end
      from (select x.low, x.high, (x.low + x.high) / 2 as middle
              from search as x
             where x.high - x.low > 1) as q
     cross join lateral (
       select coalesce(bool_and(${keepsMessage}), true) as keeps
         from head as h
        cross join lateral (select h.max_messages, h.max_bytes, h.max_age_hours) as r
         join messages as m on m.source_id = h.source_id and m.sequence = q.middle) as probe
  )
  select h.first_sequence, (select min(x.high) from search as x) as floor
    from head as h`

// The recorder waits for this row: without waiting for the disk it is free again at once. Should the move be lost, the
// rows are still there: they go in a later commit, which takes this one to the disk with it.
const moveText = `
  with relaxed as materialized (select set_config('synchronous_commit', 'off', true))
  update source_heads as h
     set first_sequence = $2::bigint
    from relaxed
   where h.source_id = $1::text
     and h.first_sequence < $2::bigint`
