import { maySendTo } from '../endpoints/endpoint-state.ts'

/*
 * SQL: what may be sent now. An endpoint may be held back as a whole (see endpoint-state.ts), and one that is ordered gets
 * the deliveries of each source one at a time, by sequence: only the first that is open may go, the **head**, and that only
 * once all that comes before it has been fanned out.
 */

/**
 * Whether an endpoint may be sent to, and has something to be sent. It costs an endpoint that is held back nothing, one
 * that is ordered a probe per source, any other one probe. Indexes: deliveries_due_index, deliveries_order_index.
 *
 * @param state the name that a row of `endpoint_states` has in the query.
 */
export function hasWork(state: string, clock: 'now()' | 'clock_timestamp()' = 'now()'): string {
  const endpointId = `${state}.endpoint_id`
  return `(${maySendTo(state, clock)}
    and case when (select e.is_ordered from endpoints as e where e.id = ${endpointId})
             then exists (${headsText(endpointId)}
                           where h.next_attempt_at <= ${clock})
             else coalesce((${earliestText(endpointId)}) <= ${clock}, false)
        end)`
}

// And not `exists`: where a few endpoints have long backlogs, the planner takes it that one is found soon, and reads the
// whole table for each endpoint that has none (seen: a minute and a half for a thousand of them).
function earliestText(endpointId: string): string {
  return `
    select d.next_attempt_at
      from deliveries as d
     where d.endpoint_id = ${endpointId}
       and d.next_attempt_at is not null
     order by d.next_attempt_at
     limit 1`
}

const headColumns = `d.id, d.source_id, d.sequence, d.message_id, d.attempt_count, d.retries_from, d.next_attempt_at`

/**
 * The heads of an ordered endpoint, as `h`; a `where` may follow. Steps from source to source through the index, whatever
 * the number of deliveries. Index: deliveries_order_index.
 */
export function headsText(endpointId: string): string {
  return `
    with recursive head as (
      (select ${headColumns}
         from deliveries as d
        where d.endpoint_id = ${endpointId}
          and d.next_attempt_at is not null
        order by d.source_id, d.sequence, d.id
        limit 1)
      union all
      select n.*
        from head as p
       cross join lateral (
         select ${headColumns}
           from deliveries as d
          where d.endpoint_id = ${endpointId}
            and d.next_attempt_at is not null
            and d.source_id > p.source_id
          order by d.source_id, d.sequence, d.id
          limit 1) as n
    )
    select h.*
      from head as h
      join fan_out_marks as m on m.source_id = h.source_id and m.fanned_out_to >= h.sequence`
}

/** The deliveries that are due for an endpoint, in any order; a further condition may follow. Index: deliveries_due_index. */
export function dueText(endpointId: string): string {
  return `
    select ${headColumns}
      from deliveries as d
     where d.endpoint_id = ${endpointId}
       and d.next_attempt_at <= now()`
}
