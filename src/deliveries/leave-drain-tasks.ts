import type { Sql } from '../db/sql.ts'
import type { DeliveryId, EndpointId } from '../kernel/ids.ts'
import type { TaskQueue } from '../queue/index.ts'
import { drainTask, drainTaskFor } from './drain.task.ts'
import { lockStates, removeDeliveries } from './fan-out-statements.ts'

/** Whom to tell, after the commit, that deliveries were added. */
export interface Woken {
  /** Endpoints that a drain task was left for: the queue is to be woken. */
  readonly waking: readonly EndpointId[]
  /** Endpoints that someone drains now: these drains are to be notified. */
  readonly drained: readonly EndpointId[]
}

/**
 * Sees to it that deliveries which were just added are sent: what every transaction that adds some does last. It locks
 * the endpoints' states, late, so that senders wait but briefly, and leaves a drain task for those that may be sent to and
 * that nobody drains (see drain.ts for why that is enough). A task is not left before the state is locked: a waiting task
 * that made ours superfluous can find its lease only after our commit.
 *
 * @param deliveryIds of all that was added. Those of endpoints that are gone are removed.
 */
export async function leaveDrainTasks(
  queue: Pick<TaskQueue, 'enqueue'>,
  sql: Sql,
  {
    endpointIds,
    deliveryIds,
  }: { readonly endpointIds: readonly EndpointId[]; readonly deliveryIds: readonly DeliveryId[] },
): Promise<Woken> {
  if (endpointIds.length === 0) return { waking: [], drained: [] }
  const states = await lockStates(sql, endpointIds)
  // Deleted since we read it, together with the task that cancels what is open: that one will not see our rows.
  const gone = new Set(endpointIds).difference(new Set(states.map((state) => state.endpointId)))
  if (gone.size > 0) await removeDeliveries(sql, deliveryIds, [...gone])
  const waking = states.filter((state) => state.maySend && !state.isLeased).map((state) => state.endpointId)
  await queue.enqueue(sql, drainTask, waking.map(drainTaskFor))
  const drained = states.filter((state) => state.isLeased).map((state) => state.endpointId)
  return { waking, drained }
}
