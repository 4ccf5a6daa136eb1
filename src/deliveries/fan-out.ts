import type { Pool } from 'pg'
import { type Sql, sqlOfPool, withTransaction } from '../db/sql.ts'
import type { DeliveryId, EndpointId, ProjectId, SourceId } from '../kernel/ids.ts'
import type { TaskHandler, TaskQueue, TaskRun } from '../queue/index.ts'
import type { DeliveryMeters } from './delivery-meters.ts'
import type { DeliveryNotices } from './delivery-notices.ts'
import { drainTask } from './drain.task.ts'
import { type Arrived, type FannedOut, moveMark } from './fan-out-counts.ts'
import {
  type Head,
  insertDeliveries,
  insertForAll,
  lockMark,
  readHead,
  readListening,
  readSourceName,
} from './fan-out-statements.ts'
import { leaveDrainTasks, type Woken } from './leave-drain-tasks.ts'
import { type DeliveryPair, type EndpointMatcher, type FilteringEndpoint, readMatchable } from './match-endpoints.ts'
import { createTurns, type Turn } from './turns.ts'

/*
 * Makes deliveries of messages. A fan-out task says that a source has messages beyond its mark; its handler
 *
 *   1. passes a barrier: it reads how far the source reaches from the head's row with a lock that waits for a recorder
 *      at work on it. A recorder whose own task was dropped, because this one was still waiting when it looked, has
 *      committed by then, so that its messages are included;
 *   2. takes steps of bounded size and time, each a transaction: lock the source's mark, which keeps a second worker out;
 *      read the endpoints that listen now; write one delivery per message and endpoint whose filter it matches; lock the
 *      endpoints' states, and leave a drain task for those that nobody drains (leave-drain-tasks.ts); move the mark, and
 *      count what it was moved over. The last step deletes the fan-out task with it.
 *
 * What messages hold is read only if an endpoint has a filter, and their bodies only if a filter looks into them.
 */
export interface FanOutDeps {
  readonly pool: Pool
  readonly queue: Pick<TaskQueue, 'enqueue' | 'wake'>
  readonly notices: DeliveryNotices
  readonly matcher: EndpointMatcher
  readonly meters: Pick<DeliveryMeters, 'arrived'>
  /** New work was committed for endpoints whose lease is held. */
  readonly notifyDrains: (endpointIds: readonly EndpointId[]) => void
  readonly instanceId: string
}

/** Sources that are fanned out at a time in one process; each holds a connection while it is at it. */
export const fanOutConcurrency = 4

const stepMessages = 1_000
const stepDeliveries = 10_000
/** Where nobody listens they are only counted. */
const stepCounted = 10_000

interface SourceHead extends Head {
  readonly sourceId: SourceId
}

interface Step extends Written, Woken {
  /** How far the source is fanned out now; null when it is gone. */
  readonly reached: number | null
  readonly arrived: readonly Arrived[]
}

/** Deliveries that a step made. */
interface Written {
  readonly deliveryIds: readonly DeliveryId[]
  readonly endpointIds: readonly EndpointId[]
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
  const nothing = { deliveryIds: [], endpointIds: [], waking: [], drained: [], arrived: [] }
  if (from === null || from >= head.lastSequence) return { reached: from, ...nothing }
  const endpoints = await readListening(sql, head)
  const isFiltering = endpoints.some(({ filter }) => filter !== null)
  const written = isFiltering
    ? await deliverMatching(deps.matcher, sql, { head, from, endpoints })
    : await deliverAll(sql, { head, from, endpoints })
  const woken = await leaveDrainTasks(deps.queue, sql, written)
  const { sourceId } = head
  const writer = writerOf(deps)
  const arrived = await moveMark(sql, { ...written, sourceId, from, to: written.reached, writer })
  return { ...written, ...woken, arrived }
}

// Chance keeps those that are under way at a time apart, mostly: who meets another waits for its commit.
function writerOf({ instanceId }: FanOutDeps): string {
  return `${instanceId} fan-out ${Math.floor(Math.random() * fanOutConcurrency)}`
}

interface Part {
  readonly head: SourceHead
  /** Deliveries exist up to here. */
  readonly from: number
  readonly endpoints: readonly FilteringEndpoint[]
}

type Delivered = Written & Pick<FannedOut, 'created'> & { readonly reached: number }

async function deliverAll(sql: Sql, { head, from, endpoints }: Part): Promise<Delivered> {
  const { sourceId, lastSequence } = head
  const created = 'all'
  const endpointIds = endpoints.map(({ id }) => id)
  if (endpoints.length === 0) {
    return { reached: Math.min(lastSequence, from + stepCounted), created, deliveryIds: [], endpointIds }
  }
  const size = Math.min(stepMessages, Math.max(1, Math.floor(stepDeliveries / endpoints.length)))
  const to = Math.min(lastSequence, from + size)
  const deliveryIds = await insertForAll(sql, { sourceId, from, to, endpointIds })
  return { reached: to, created, deliveryIds, endpointIds }
}

async function deliverMatching(
  matcher: EndpointMatcher,
  sql: Sql,
  { head, from, endpoints }: Part,
): Promise<Delivered> {
  const { sourceId, lastSequence } = head
  const maxRows = Math.min(stepMessages, lastSequence - from)
  const withBodies = matcher.readsBodies(endpoints)
  const messages = await readMatchable(sql, { sourceId, afterSequence: from }, { maxRows, withBodies })
  const sourceName = await readSourceName(sql, sourceId)
  const { pairs, looked } = await matcher.match({ endpoints, messages, sourceName })
  const created = await insertDeliveries(sql, { sourceId, pairs, operationId: null })
  const deliveryIds = created.map(({ id }) => id)
  // Without a message: retention has dropped all that was left.
  const reached = messages[looked - 1]?.sequence ?? lastSequence
  return { reached, created, deliveryIds, endpointIds: endpointsOf(pairs) }
}

function endpointsOf(pairs: readonly DeliveryPair[]): EndpointId[] {
  return [...new Set(pairs.map(({ endpointId }) => endpointId))]
}

function announce(deps: FanOutDeps, projectId: ProjectId, { deliveryIds, arrived, waking, drained }: Step): void {
  deps.meters.arrived(arrived)
  if (waking.length > 0) deps.queue.wake(drainTask)
  if (drained.length > 0) deps.notifyDrains(drained)
  deps.notices.changed(projectId, deliveryIds)
}
