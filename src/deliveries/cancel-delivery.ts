import type { Reach } from '../auth/viewer.ts'
import { inTransaction } from '../db/transaction.ts'
import { done, type Outcome } from '../kernel/outcome.ts'
import type { Delivery } from './delivery.ts'
import { createDeliveryNotices } from './delivery-notices.ts'
import { type DeliveryRow, deliveryColumns, deliveryOf } from './delivery-rows.ts'
import { type DeliveryChangeDeps, deliveryConflict, deliveryNotFound, lockOwnDelivery } from './own-delivery.ts'

/**
 * Calls a delivery off that waits. An attempt under way still ends, and what the receiver accepts is delivered. Twice is
 * no error.
 */
export async function cancelDelivery(
  deps: Pick<DeliveryChangeDeps, 'orm' | 'bus'>,
  reach: Reach,
  { id }: { readonly id: string },
): Promise<Outcome<Delivery>> {
  const outcome = await inTransaction(deps.orm, async ({ sql }): Promise<Outcome<Delivery>> => {
    const own = await lockOwnDelivery(sql, reach, id)
    if (own === null) return deliveryNotFound(id)
    const { status } = own.delivery
    if (status === 'canceled') return done(own.delivery)
    if (status !== 'pending' && status !== 'retrying') return deliveryConflict(`The delivery is ${status} already.`)
    const [row] = await sql.query<DeliveryRow>(cancelText, [own.delivery.id])
    return row === undefined ? deliveryNotFound(id) : done(deliveryOf(row))
  })
  if (outcome.kind === 'done') {
    const notices = createDeliveryNotices(deps.bus)
    notices.changed(reach.projectId, [outcome.value.id])
    // What had to wait for it, at an endpoint that keeps the order, may be due now.
    notices.work([outcome.value.endpointId])
  }
  return outcome
}

// Index: deliveries_pkey.
const cancelText = `
  update deliveries as d
     set status = 'canceled', next_attempt_at = null, updated_at = now()
   where d.id = $1::text
  returning ${deliveryColumns}`
