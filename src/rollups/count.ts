import { addExcluded, type Counter, counters, eachCounter } from './columns.ts'

/*
 * Counts what happens, in the statement that makes it happen: if one is there, so is the other, whatever dies when.
 *
 *   settle, fan-out, replay, retention, refusals ──▶ fresh_counts ──fold (each minute)──▶ rollups: minutes, hours, days
 *
 * Each thing counts for every node that it belongs to: its project, source, endpoint and event type, if this is registered.
 * Every writer has rows of its own (`shard`), so that none waits for another's commit. Rows are locked by key, after
 * all locks that the statement takes otherwise. Whoever holds some waits for nothing else but the end of its transaction.
 */

/** What one row of `happened` may say; what it does not say is 0 or null. */
export type HappenedColumn = Counter | 'source_id' | 'endpoint_id' | 'event_type_id' | 'minute' | 'slot'

/** SQL: one row of `happened`; beyond `project_id`, columns that are not given are 0 or null, and the minute is the running one. */
export function happenedColumns(projectId: string, given: Partial<Record<HappenedColumn, string>>): string {
  const textColumn = (name: 'source_id' | 'endpoint_id' | 'event_type_id') =>
    `${given[name] ?? 'null::text'} as ${name}`
  return `${projectId} as project_id, ${textColumn('source_id')}, ${textColumn('endpoint_id')}, ${textColumn('event_type_id')},
           ${given.minute ?? `date_trunc('minute', now(), 'UTC')`} as minute,
           ${eachCounter((counter) => `(${given[counter] ?? '0'})::bigint as ${counter}`)}, ${given.slot ?? 'null::int'} as slot`
}

/**
 * SQL: common table expressions to put behind one called `happened`, which `happenedColumns` shapes.
 *
 * @param writer an expression of type text: who counts; at most one transaction at a time should count under one name.
 */
export function countHappened(writer: string): string {
  return `count_of_node as (
    select coalesce(h.endpoint_id, h.source_id, h.event_type_id, h.project_id) as node_id, h.minute,
           ${eachCounter((counter) => `sum(h.${counter}) as ${counter}`)},
           array_agg(h.slot) filter (where h.slot is not null) as slots, max(h.slot) as last_slot
      from happened as h
     group by grouping sets ((h.minute, h.project_id), (h.minute, h.source_id), (h.minute, h.endpoint_id),
                             (h.minute, h.event_type_id))
  ), count_written as (
    insert into fresh_counts as f (node_id, minute, shard, ${counters.join(', ')}, histogram)
    select n.node_id, n.minute, hashtextextended(${writer}, 0), ${eachCounter((counter) => `n.${counter}`)},
           array(select cardinality(array_positions(n.slots, s.slot))::bigint
                   from generate_series(0, n.last_slot) as s (slot)
                  order by s.slot)
      from count_of_node as n
     where n.node_id is not null
       and (${counters.map((counter) => `n.${counter}`).join(' + ')}) > 0
     order by n.node_id, n.minute
        on conflict (node_id, minute, shard) do update ${addExcluded('f')}
  )`
}
