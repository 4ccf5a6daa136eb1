import type { DeliveryId, ProjectId } from '../kernel/ids.ts'
import type { TaskQueue } from '../queue/index.ts'
import type { DeliveryNotices } from './delivery-notices.ts'
import { drainTask } from './drain.task.ts'
import type { Woken } from './leave-drain-tasks.ts'

/** Deliveries that a transaction made due. */
export interface AddedWork extends Woken {
  readonly projectId: ProjectId
  readonly deliveryIds: readonly DeliveryId[]
}

/** Tells of it after the commit: who sends, here and in other processes, and who watches. */
export function announceWork(
  { queue, notices }: { readonly queue: Pick<TaskQueue, 'wake'>; readonly notices: DeliveryNotices },
  { projectId, deliveryIds, waking, drained }: AddedWork,
): void {
  if (waking.length > 0) queue.wake(drainTask)
  notices.work(drained)
  notices.changed(projectId, deliveryIds)
}
