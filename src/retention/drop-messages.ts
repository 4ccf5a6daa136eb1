import type { Sql } from '../db/sql.ts'
import type { DeliveryId, ProjectId, SourceId } from '../kernel/ids.ts'
import { registeredTypeOf } from '../messages/registered-type.ts'
import { countHappened, happenedColumns } from '../rollups/index.ts'

/** What one step took. */
export interface DroppedMessages {
  readonly projectId: ProjectId
  readonly count: number
  /** The greatest sequence among them. */
  readonly lastSequence: number
  /** Deliveries that were open, and are finished now. */
  readonly deliveryIds: DeliveryId[]
}

export interface DropStep {
  readonly sourceId: SourceId
  /** Where the step begins: what lies up to here was dropped before. */
  readonly after: number
  /** What has this sequence, and all that follows, stays; null: nothing does. */
  readonly below: number | null
  /** What the open deliveries of these messages become. */
  readonly status: 'canceled' | 'expired'
}

const stepRows = 1_000
/** Of bodies; each is taken apart in pieces of 2 KiB. */
const stepBytes = 32 * 1024 * 1024
/** A project may have 10,000 endpoints, and a message a delivery for each. */
const stepDeliveries = 10_000

/**
 * Drops the earliest messages of a source, in one statement, which is one transaction of bounded size. From now on their
 * deliveries are on their way out as well; see `removeOutlived`.
 *
 * @returns null when there is nothing left to drop.
 */
export async function dropMessages(sql: Sql, step: DropStep): Promise<DroppedMessages | null> {
  const values = [step.sourceId, step.after, step.below, step.status, stepRows, stepBytes, stepDeliveries]
  const [row] = await sql.query<DroppedRow>(dropText, values)
  if (row === undefined || row.project_id === null || row.last_sequence === null) return null
  return {
    projectId: row.project_id,
    count: row.count,
    lastSequence: row.last_sequence,
    deliveryIds: row.delivery_ids,
  }
}

interface DroppedRow {
  project_id: ProjectId | null
  count: number
  last_sequence: number | null
  delivery_ids: DeliveryId[]
}

// What expires counts as failed, in the source's own name, so that no other source waits for it. The step holds one message
// at least. Beginning after what was dropped before spares the scan the dead rows.
// Indexes: messages_pkey, deliveries_message_id_endpoint_id_operation_id_index.
const dropText = `
  with doomed as materialized (
    select m.source_id, m.sequence, m.id, m.project_id, m.event_type
      from (select x.*, sum(x.bytes) over earlier as sum_bytes, sum(x.deliveries) over earlier as sum_deliveries
              from (select m.source_id, m.sequence, m.id, m.project_id, m.event_type, octet_length(m.body) as bytes,
                           (select count(*) from deliveries as d where d.message_id = m.id) as deliveries
                      from messages as m
                     where m.source_id = $1::text
                       and m.sequence > $2::bigint
                       and ($3::bigint is null or m.sequence < $3::bigint)
                     order by m.sequence
                     limit $5::int) as x
            window earlier as (order by x.sequence rows unbounded preceding)) as m
     where m.sum_bytes - m.bytes < $6::bigint
       and m.sum_deliveries - m.deliveries < $7::bigint
  ), delivery as materialized (
    select d.id, d.next_attempt_at is not null as is_open
      from deliveries as d
     where d.message_id in (select m.id from doomed as m)
       and d.message_dropped_at is null
     order by d.id
       for no key update
  ), marked as (
    update deliveries as d
       set message_dropped_at = now(),
           status = case when x.is_open then $4::text else d.status end,
           next_attempt_at = null,
           updated_at = case when x.is_open then now() else d.updated_at end
      from delivery as x
     where d.id = x.id
    returning d.id, d.message_id, d.endpoint_id, x.is_open
  ), expired as (
    select m.project_id, d.endpoint_id, t.id as event_type_id, count(*) as count
      from marked as d
      join doomed as m on m.id = d.message_id
      left join lateral (${registeredTypeOf('m')}) as t on true
     where d.is_open
       and $4::text = 'expired'
     group by m.project_id, d.endpoint_id, t.id
  ), happened as (
    select ${happenedColumns('e.project_id', {
      source_id: '$1::text',
      endpoint_id: 'e.endpoint_id',
      event_type_id: 'e.event_type_id',
      failed: 'e.count',
    })}
      from expired as e
  ), ${countHappened('$1::text')}, removed as (
    delete from messages as m
     using doomed as x
     where m.source_id = x.source_id
       and m.sequence = x.sequence
  )
  select count(*)::int as count, min(m.project_id) as project_id, max(m.sequence) as last_sequence,
         array(select d.id from marked as d where d.is_open) as delivery_ids
    from doomed as m`
