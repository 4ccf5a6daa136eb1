import type { Sql } from '../db/sql.ts'
import type { DeliveryId, ProjectId, SourceId } from '../kernel/ids.ts'

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

/**
 * Drops the earliest messages of a source, in one statement, which is one transaction of bounded size.
 *
 * @returns null when there is nothing left to drop.
 */
export async function dropMessages(sql: Sql, step: DropStep): Promise<DroppedMessages | null> {
  const values = [step.sourceId, step.after, step.below, step.status, stepRows, stepBytes]
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

// The step holds one message at least. Beginning after what was dropped before spares the scan the dead rows.
// Indexes: messages_pkey, deliveries_message_id_endpoint_id_unique.
const dropText = `
  with doomed as materialized (
    select m.source_id, m.sequence, m.id, m.project_id
      from (select x.source_id, x.sequence, x.id, x.project_id, octet_length(x.body) as bytes,
                   sum(octet_length(x.body)) over (order by x.sequence rows unbounded preceding) as sum_bytes
              from messages as x
             where x.source_id = $1::text
               and x.sequence > $2::bigint
               and ($3::bigint is null or x.sequence < $3::bigint)
             order by x.sequence
             limit $5::int) as m
     where m.sum_bytes - m.bytes < $6::bigint
  ), open as materialized (
    select d.id
      from deliveries as d
     where d.message_id in (select m.id from doomed as m)
       and d.next_attempt_at is not null
     order by d.id
       for no key update
  ), finished as (
    update deliveries as d
       set status = $4::text, next_attempt_at = null, updated_at = now()
      from open as o
     where d.id = o.id
    returning d.id
  ), removed as (
    delete from messages as m
     using doomed as x
     where m.source_id = x.source_id
       and m.sequence = x.sequence
  )
  select count(*)::int as count, min(m.project_id) as project_id, max(m.sequence) as last_sequence,
         array(select f.id from finished as f) as delivery_ids
    from doomed as m`
