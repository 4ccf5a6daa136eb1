import type { Sql } from '../db/sql.ts'
import type { EndpointId } from '../kernel/ids.ts'
import type { TaskQueue } from '../queue/index.ts'
import { drainTask, drainTaskFor } from './drain.task.ts'
import { lockStates } from './fan-out-statements.ts'

/** Whom to tell of new work, once it is committed. An endpoint that is deleted by now is in neither. */
export interface LeftDrains {
  /** A drain task waits for these. */
  readonly waking: readonly EndpointId[]
  /** Someone drains these now. */
  readonly drained: readonly EndpointId[]
}

/**
 * Sees to it that due work is noticed: locks the endpoints' states and leaves a drain task for those that nobody drains
 * (see drain.ts for why that is enough). To be called last in the transaction that adds the work, since senders wait for
 * these rows; and no task is left before the lock is had, since one that waits already, and makes ours superfluous, must
 * not find its lease before our commit.
 */
export async function leaveDrains(
  queue: Pick<TaskQueue, 'enqueue'>,
  sql: Sql,
  endpointIds: readonly EndpointId[],
): Promise<LeftDrains> {
  if (endpointIds.length === 0) return { waking: [], drained: [] }
  const states = await lockStates(sql, endpointIds)
  const waking = states.filter((state) => !state.isLeased).map((state) => state.endpointId)
  await queue.enqueue(sql, drainTask, waking.map(drainTaskFor))
  const drained = states.filter((state) => state.isLeased).map((state) => state.endpointId)
  return { waking, drained }
}
