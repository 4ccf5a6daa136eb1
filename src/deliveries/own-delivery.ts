import type { Reach } from '../auth/viewer.ts'
import type { Orm } from '../db/orm.ts'
import type { Sql } from '../db/sql.ts'
import { isId } from '../kernel/ids.ts'
import type { UserFailure } from '../kernel/outcome.ts'
import type { Bus } from '../live/bus.ts'
import type { TaskQueue } from '../queue/index.ts'
import type { Delivery } from './delivery.ts'
import { type DeliveryRow, deliveryColumns, deliveryOf } from './delivery-rows.ts'

/** What clients' changes to deliveries need. */
export interface DeliveryChangeDeps {
  readonly orm: Orm
  readonly queue: Pick<TaskQueue, 'enqueue' | 'wake'>
  readonly bus: Pick<Bus, 'publish' | 'subscribe'>
}

/** A delivery, and whether what it needs is still there. */
export interface OwnDelivery {
  readonly delivery: Delivery
  readonly isMessageKept: boolean
  readonly isEndpointKept: boolean
}

const path = ['input', 'id']

export function deliveryNotFound(id: string): UserFailure {
  return { kind: 'not-found', id, path }
}

export function deliveryConflict(message: string): UserFailure {
  return { kind: 'state-conflict', message, path }
}

/** Locks the delivery to change. @returns null when it does not exist within the caller's reach. */
export async function lockOwnDelivery(sql: Sql, reach: Reach, id: string): Promise<OwnDelivery | null> {
  if (!isId('dlv', id)) return null
  const sourceIds = reach.sourceIds === null ? null : [...reach.sourceIds]
  const [row] = await sql.query<OwnRow>(lockText, [id, reach.projectId, sourceIds])
  if (row === undefined) return null
  return { delivery: deliveryOf(row), isMessageKept: row.is_message_kept, isEndpointKept: row.is_endpoint_kept }
}

interface OwnRow extends DeliveryRow {
  is_message_kept: boolean
  is_endpoint_kept: boolean
}

/** Of the delivery `d`: without its message there is nothing to send. Indexes: messages_pkey, source_heads_pkey. */
export const isMessageKept = `
  (d.message_dropped_at is null
   and exists (select
                 from messages as m
                 join source_heads as h on h.source_id = m.source_id
                where m.source_id = d.source_id
                  and m.sequence = d.sequence
                  and m.sequence >= h.first_sequence))`

/** Of the delivery `d`: without its endpoint there is nowhere to send it. Index: endpoint_states_pkey. */
export const isEndpointKept = `
  exists (select from endpoint_states as s where s.endpoint_id = d.endpoint_id)`

// Index: deliveries_pkey.
const lockText = `
  select ${deliveryColumns}, ${isMessageKept} as is_message_kept, ${isEndpointKept} as is_endpoint_kept
    from deliveries as d
   where d.id = $1::text
     and d.project_id = $2::text
     and ($3::text[] is null or d.source_id = any($3::text[]))
     for no key update of d`
