import type { Reach } from '../auth/viewer.ts'
import { inTransaction } from '../db/transaction.ts'
import { done, type Outcome, type UserFailure } from '../kernel/outcome.ts'
import { unreachable } from '../kernel/unreachable.ts'
import { type AddedWork, announceWork } from './announce-work.ts'
import type { Delivery } from './delivery.ts'
import { createDeliveryNotices } from './delivery-notices.ts'
import {
  type DeliveryChangeDeps,
  deliveryConflict,
  deliveryNotFound,
  lockOwnDelivery,
  type OwnDelivery,
} from './own-delivery.ts'
import { reopenDeliveries } from './reopen-deliveries.ts'

/**
 * Attempts a delivery now, whether it waits or was given up or called off. Its id stays, attempts are numbered on, and
 * its retries begin afresh. An attempt under way still decides as it would have.
 */
export async function retryDelivery(
  deps: DeliveryChangeDeps,
  reach: Reach,
  { id }: { readonly id: string },
): Promise<Outcome<Delivery>> {
  const works: AddedWork[] = []
  const outcome = await inTransaction(deps.orm, async ({ sql }): Promise<Outcome<Delivery>> => {
    const own = await lockOwnDelivery(sql, reach, id)
    if (own === null) return deliveryNotFound(id)
    const conflict = conflictOf(own)
    if (conflict !== null) return conflict
    const { deliveries, work } = await reopenDeliveries(deps.queue, sql, { ...reach, ids: [own.delivery.id] })
    works.push(work)
    return done(deliveries[0] ?? own.delivery)
  })
  const notices = createDeliveryNotices(deps.bus)
  for (const work of works) announceWork({ queue: deps.queue, notices }, work)
  return outcome
}

function conflictOf({ delivery, isMessageKept, isEndpointKept }: OwnDelivery): UserFailure | null {
  const { status } = delivery
  switch (status) {
    case 'delivered':
      return deliveryConflict('The delivery has succeeded. To send its message again, replay it.')
    case 'expired':
      return deliveryConflict('The message of the delivery is no longer kept: there is nothing to send.')
    case 'pending':
    case 'retrying':
    case 'failed':
    case 'canceled':
      if (!isMessageKept) return deliveryConflict(`The delivery is ${status}, and its message is no longer kept.`)
      if (!isEndpointKept) return deliveryConflict(`The delivery is ${status}, and its endpoint was deleted.`)
      return null
    default:
      return unreachable(status)
  }
}
