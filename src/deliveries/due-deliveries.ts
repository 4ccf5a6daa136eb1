import type { Sql } from '../db/sql.ts'
import type { DeliveryId, EndpointId, MessageId, ProjectId } from '../kernel/ids.ts'

/** A delivery that is due, with what its request is made of. */
export interface DueDelivery {
  readonly id: DeliveryId
  readonly messageId: MessageId
  /** Of the attempt to be made. */
  readonly attemptNumber: number
  readonly contentType: string | null
  /** Null when the message is gone: there is nothing to send any more. */
  readonly body: Buffer | null
}

/** A page ends at the first of these bounds, but holds one delivery at least. */
export interface DueLimits {
  readonly maxRows: number
  /** Body bytes. */
  readonly maxBytes: number
}

/**
 * What is due for an endpoint, the longest overdue first.
 *
 * @param except those already under way.
 */
export async function readDue(
  sql: Sql,
  endpointId: EndpointId,
  except: readonly DeliveryId[],
  limits: DueLimits,
): Promise<DueDelivery[]> {
  const values = [endpointId, except, limits.maxRows, limits.maxBytes]
  const rows = await sql.query<DueRow>(dueText, values)
  return rows.map((row) => ({
    id: row.id,
    messageId: row.message_id,
    attemptNumber: row.attempt_count + 1,
    contentType: row.content_type,
    body: row.body,
  }))
}

/** Calls off what has nothing to send. */
export async function cancelOpen(
  sql: Sql,
  ids: readonly DeliveryId[],
): Promise<{ id: DeliveryId; projectId: ProjectId }[]> {
  return await sql.query(cancelText, [ids])
}

interface DueRow {
  id: DeliveryId
  message_id: MessageId
  attempt_count: number
  content_type: string | null
  body: Buffer | null
}

// The id breaks the ties of one fan-out, in order of sequence. The running sum ends the page by bytes without reading
// the bodies beyond. Indexes: deliveries_due_index, messages_pkey.
const dueText = `
  select d.id, d.message_id, d.attempt_count, d.content_type, d.body
    from (select d.*, m.content_type, m.body,
                 sum(octet_length(m.body)) over (order by d.next_attempt_at, d.id rows unbounded preceding) as bytes
            from (select d.id, d.source_id, d.sequence, d.message_id, d.attempt_count, d.next_attempt_at
                    from deliveries as d
                   where d.endpoint_id = $1::text
                     and d.next_attempt_at <= now()
                     and d.id <> all($2::text[])
                   order by d.next_attempt_at, d.id
                   limit $3::int) as d
            left join messages as m on m.source_id = d.source_id and m.sequence = d.sequence) as d
   where d.body is null
      or d.bytes - octet_length(d.body) < $4::bigint
   order by d.next_attempt_at, d.id`

// Index: deliveries_pkey.
const cancelText = `
  with open as materialized (
    select d.id
      from deliveries as d
     where d.id = any($1::text[])
       and d.next_attempt_at is not null
     order by d.id
       for no key update
  )
  update deliveries as d
     set status = 'canceled', next_attempt_at = null, updated_at = now(), message_dropped_at = now()
    from open as o
   where d.id = o.id
  returning d.id, d.project_id as "projectId"`
