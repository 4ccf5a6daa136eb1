import type { Pool } from 'pg'
import { type Sql, sqlOfPool, withTransaction } from '../db/sql.ts'
import { type DeliveryId, type EndpointId, newId, type ProjectId, type SourceId } from '../kernel/ids.ts'
import type { TaskHandler, TaskQueue, TaskRun } from '../queue/index.ts'
import type { DeliveryNotices } from './delivery-notices.ts'
import { drainTask, drainTaskFor } from './drain.task.ts'
import {
  type Head,
  insertDeliveries,
  lockMark,
  lockStates,
  moveMark,
  readHead,
  readMatchingEndpoints,
  removeDeliveries,
} from './fan-out-statements.ts'
import { createTurns, type Turn } from './turns.ts'

/*
 * Makes deliveries of messages. A fan-out task says that a source has messages beyond its mark; its handler
 *
 *   1. passes a barrier: it reads how far the source reaches from the head's row with a lock that waits for a recorder
 *      at work on it. A recorder whose own task was dropped, because this one was still waiting when it looked, has
 *      committed by then, so that its messages are included;
 *   2. takes steps of bounded size, each a transaction: lock the source's mark, which keeps a second worker out; read
 *      the endpoints that match now; write one delivery per message and endpoint; lock the endpoints' states, and leave
 *      a drain task for those that nobody drains (see drain.ts for why that is enough); move the mark. The last step
 *      deletes the fan-out task with it.
 *
 * The message's body is never read here. States are locked late, after the many inserts, so that senders wait but
 * briefly. A drain task is not left before the state is locked: a waiting task that made ours superfluous can find its
 * lease only after our commit.
 */
export interface FanOutDeps {
  readonly pool: Pool
  readonly queue: Pick<TaskQueue, 'enqueue' | 'wake'>
  readonly notices: DeliveryNotices
  /** New work was committed for endpoints whose lease is held. */
  readonly notifyDrains: (endpointIds: readonly EndpointId[]) => void
  readonly instanceId: string
}

/** Sources that are fanned out at a time in one process; each holds a connection while it is at it. */
export const fanOutConcurrency = 4

const stepMessages = 1_000
const stepDeliveries = 10_000

interface SourceHead extends Head {
  readonly sourceId: SourceId
}

interface Range {
  readonly projectId: ProjectId
  readonly sourceId: SourceId
  /** Deliveries exist up to here … */
  readonly from: number
  /** … and are to exist up to here. */
  readonly to: number
}

interface Step {
  /** How far the source is fanned out now; null when it is gone. */
  readonly reached: number | null
  readonly created: readonly DeliveryId[]
  readonly waking: readonly EndpointId[]
  /** Endpoints that someone drains now. */
  readonly drained: readonly EndpointId[]
}

export function createFanOut(deps: FanOutDeps): TaskHandler<{ sourceId: SourceId }> {
  const turns = createTurns<SourceId>()
  return async ({ sourceId }, run) => {
    const turn = await turns.enter(sourceId)
    if (turn === null) return
    try {
      let end: 'settled' | 'behind' = 'behind'
      while (end === 'behind') {
        if (run.closing.aborted) return run.postpone()
        turn.takeNotice()
        const head = await readHead(sqlOfPool(deps.pool), sourceId)
        if (head === null) return
        end = await fanOutTo(deps, { ...head, sourceId }, { turn, run })
      }
    } finally {
      turn.end()
    }
  }
}

/** @returns `behind` when notice was given before the last step, or the process stops: there may be more. */
async function fanOutTo(
  deps: FanOutDeps,
  head: SourceHead,
  { turn, run }: { turn: Turn; run: TaskRun },
): Promise<'settled' | 'behind'> {
  for (;;) {
    const step = await withTransaction(deps.pool, async (sql) => {
      const done = await takeStep(deps, sql, head)
      const isLast = done.reached === null || done.reached >= head.lastSequence
      const settles = isLast && !turn.takeNotice()
      if (settles) {
        turn.close()
        await run.settle(sql)
      }
      return { ...done, isLast, settles }
    })
    announce(deps, head.projectId, step)
    if (step.settles) return 'settled'
    if (step.isLast || run.closing.aborted) return 'behind'
  }
}

async function takeStep(deps: FanOutDeps, sql: Sql, head: SourceHead): Promise<Step> {
  const from = await lockMark(sql, head.sourceId)
  const none = { created: [], waking: [], drained: [] }
  if (from === null || from >= head.lastSequence) return { reached: from, ...none }
  const endpointIds = await readMatchingEndpoints(sql, head)
  const size = Math.min(stepMessages, Math.floor(stepDeliveries / Math.max(1, endpointIds.length)))
  const to = endpointIds.length === 0 ? head.lastSequence : Math.min(head.lastSequence, from + Math.max(1, size))
  const range = { ...head, from, to }
  const work = endpointIds.length === 0 ? none : await writeDeliveries(deps, sql, range, endpointIds)
  await moveMark(sql, head.sourceId, to)
  return { reached: to, ...work }
}

async function writeDeliveries(
  deps: FanOutDeps,
  sql: Sql,
  range: Range,
  endpointIds: readonly EndpointId[],
): Promise<Omit<Step, 'reached'>> {
  const ids = Array.from({ length: (range.to - range.from) * endpointIds.length }, () => newId('dlv'))
  await insertDeliveries(sql, { ...range, endpointIds, ids })
  const states = await lockStates(sql, endpointIds)
  // Deleted since we read it, together with the task that cancels what is open: that one will not see our rows.
  const gone = new Set(endpointIds).difference(new Set(states.map((state) => state.endpointId)))
  if (gone.size > 0) await removeDeliveries(sql, ids, [...gone])
  const waking = states.filter((state) => !state.isLeased).map((state) => state.endpointId)
  await deps.queue.enqueue(sql, drainTask, waking.map(drainTaskFor))
  const drained = states.filter((state) => state.isLeased).map((state) => state.endpointId)
  return { created: ids, waking, drained }
}

function announce(deps: FanOutDeps, projectId: ProjectId, { created, waking, drained }: Step): void {
  if (waking.length > 0) deps.queue.wake(drainTask)
  if (drained.length > 0) deps.notifyDrains(drained)
  deps.notices.changed(projectId, created)
}
