import type { Sql } from '../db/sql.ts'
import type { DeliveryId, ProjectId } from '../kernel/ids.ts'
import type { TaskQueue } from '../queue/index.ts'
import type { AddedWork } from './announce-work.ts'
import type { Delivery } from './delivery.ts'
import { type DeliveryRow, deliveryColumns, deliveryOf } from './delivery-rows.ts'
import { leaveDrainTasks } from './leave-drain-tasks.ts'

/** Deliveries as they now are, and what is to be announced after the commit. */
export interface Reopened {
  readonly deliveries: readonly Delivery[]
  readonly work: AddedWork
}

/**
 * Makes deliveries due now, their retries afresh: attempts are numbered on, but the retry policy counts from here. For
 * rows that the transaction has locked and found fit. What belongs to an endpoint that is deleted at this moment is called
 * off by maintenance.
 */
export async function reopenDeliveries(
  queue: Pick<TaskQueue, 'enqueue'>,
  sql: Sql,
  { projectId, ids }: { readonly projectId: ProjectId; readonly ids: readonly DeliveryId[] },
): Promise<Reopened> {
  const rows = ids.length === 0 ? [] : await sql.query<DeliveryRow>(reopenText, [ids])
  const deliveries = rows.map(deliveryOf)
  const endpointIds = [...new Set(deliveries.map(({ endpointId }) => endpointId))].sort()
  const woken = await leaveDrainTasks(queue, sql, { endpointIds, deliveryIds: [] })
  return { deliveries, work: { projectId, deliveryIds: ids, ...woken } }
}

// Index: deliveries_pkey.
const reopenText = `
  update deliveries as d
     set status = case when d.attempt_count = 0 then 'pending' else 'retrying' end,
         retries_from = d.attempt_count,
         next_attempt_at = now(),
         updated_at = now()
   where d.id = any($1::text[])
  returning ${deliveryColumns}`
