import type { Pool } from 'pg'
import { sqlOfPool, withTransaction } from '../db/sql.ts'
import type { EndpointId } from '../kernel/ids.ts'
import type { Logger } from '../kernel/log.ts'
import type { TaskHandler, TaskQueue, TaskRun } from '../queue/index.ts'
import { type AttemptDeps, attemptDelivery, type Destination } from './attempt-delivery.ts'
import type { DeliveryNotices } from './delivery-notices.ts'
import { drainTask, drainTaskFor } from './drain.task.ts'
import { cancelOpen, type DueDelivery, readDue } from './due-deliveries.ts'
import { createHeldLeases, type HeldLease } from './held-leases.ts'
import { letGo, letGoIfIdle } from './lease.ts'
import type { Settler } from './settler.ts'
import { createTurns, type Turn } from './turns.ts'
import { createUnderWay, type UnderWay } from './under-way.ts'

/*
 * Sends what is due for one endpoint. A drain task says that there may be such; its handler
 *
 *   1. takes the endpoint's lease, so that one process at a time sends to it;
 *   2. reads a page of due deliveries, sends them, some at a time, and has each outcome settled together with those of
 *      other endpoints; while they are under way it reads on. No connection is held while a receiver is waited for;
 *   3. when nothing is due it lingers for a moment, since taking and letting go costs more than a page;
 *   4. lets go: under the lock of the endpoint's row it looks once more; only if nothing is due the lease is released
 *      and the task deleted, in that transaction.
 *
 * A task that finds the lease held may be deleted. Whoever adds due work (fan-out) locks the endpoint's row before it
 * commits. To find the lease held, our task had to wait for that lock; the holder's last look comes later and waits for
 * it likewise; so it sees the work. If the holder dies instead, its lease runs out, and the promoter finds due work
 * without a lease. For the same reason fan-out leaves no task for an endpoint whose lease is held.
 *
 * A run ends early, with work left, when the process stops (the task is postponed), when its turn has been long (a new
 * task goes to the end of the line) or when something unexpected fails (the endpoint rests for a while).
 */
export interface Drain {
  readonly handler: TaskHandler<{ endpointId: EndpointId }>
  /** New work was committed for these endpoints: if they are drained here, they look again at once. */
  notify(endpointIds: readonly EndpointId[]): void
}

export interface DrainDeps extends AttemptDeps {
  readonly pool: Pool
  readonly queue: Pick<TaskQueue, 'enqueue' | 'wake'>
  readonly endpoints: { byId(id: EndpointId): Promise<Destination | null> }
  readonly settler: Settler
  readonly notices: DeliveryNotices
  readonly log: Logger
  readonly instanceId: string
}

/** Endpoints that are drained at a time in one process. They mostly wait for receivers; memory is what bounds them. */
export const drainConcurrency = 256

const pageLimits = { maxRows: 64, maxBytes: 512 * 1024 }
/** While receivers are slow, new work of other processes is noticed by looking. */
const lookIntervalMs = 1_000
const lingerMs = 20
/** Long enough to be cheap, short enough that more than `drainConcurrency` busy endpoints all get on. */
const turnMs = 30_000
/** After an unexpected failure, such as a secret that does not open or a database that does not answer. */
const restMs = 10_000

type RunEnd = 'idle' | 'unknown-endpoint' | 'closing' | 'turn-over' | 'lost'

interface Session {
  readonly endpointId: EndpointId
  readonly lease: HeldLease
  readonly turn: Turn
  readonly run: TaskRun
  readonly underWay: UnderWay
  readonly endMs: number
}

export function createDrain(deps: DrainDeps): Drain {
  const { pool, instanceId, log } = deps
  const sql = sqlOfPool(pool)
  const turns = createTurns<EndpointId>()
  const leases = createHeldLeases({ sql, instanceId, log })

  async function handler({ endpointId }: { endpointId: EndpointId }, run: TaskRun): Promise<void> {
    const turn = await turns.enter(endpointId)
    if (turn === null) return
    try {
      const lease = await leases.take(endpointId)
      if (lease === null) return
      const session = { endpointId, lease, turn, run, underWay: createUnderWay(), endMs: performance.now() + turnMs }
      await drain(session).finally(() => lease.forget())
    } finally {
      turn.end()
    }
  }

  async function drain(session: Session): Promise<void> {
    const { endpointId, lease, run, underWay } = session
    try {
      const end = await sendAll(session)
      await underWay.allEnded()
      underWay.throwIfFailed()
      await leave(session, end)
    } catch (error) {
      await underWay.allEnded()
      if (run.signal.aborted) run.postpone()
      else log.warn({ err: error, endpointId }, 'draining an endpoint failed; it rests')
      await letGo(sql, lease, instanceId, run.signal.aborted ? 0 : restMs)
    }
  }

  async function sendAll(session: Session): Promise<RunEnd> {
    let mayHaveMore = true
    for (;;) {
      const early = endOf(session)
      if (early !== null) return early
      if (session.turn.takeNotice() || mayHaveMore) {
        const page = await sendPage(session)
        if (page === 'unknown-endpoint') return page
        mayHaveMore = page === 'full'
        continue
      }
      const next = await waitForWork(session)
      if (next === 'idle') return next
      mayHaveMore = next === 'look'
    }
  }

  async function sendPage(session: Session): Promise<'full' | 'last' | 'unknown-endpoint'> {
    const { endpointId, underWay } = session
    const destination = await deps.endpoints.byId(endpointId)
    if (destination === null) return 'unknown-endpoint'
    const page = await readDue(sql, endpointId, underWay.ids(), pageLimits)
    for (const delivery of page) {
      await underWay.room()
      if (endOf(session) !== null) break
      start(session, destination, delivery)
    }
    const bytes = page.reduce((sum, { body }) => sum + (body?.length ?? 0), 0)
    return page.length === pageLimits.maxRows || bytes >= pageLimits.maxBytes ? 'full' : 'last'
  }

  function endOf({ run, lease, underWay, endMs }: Session): RunEnd | null {
    underWay.throwIfFailed()
    if (run.closing.aborted) return 'closing'
    if (!lease.isHeld()) return 'lost'
    return performance.now() > endMs ? 'turn-over' : null
  }

  /** All that was found is under way. @returns `look`: there may be more though nobody said so. */
  async function waitForWork(session: Session): Promise<'look' | 'woken' | 'idle'> {
    const { turn, underWay } = session
    if (!underWay.isEmpty()) {
      const wokenBy = await Promise.race([turn.nextNotice(lookIntervalMs), underWay.allEnded()])
      return wokenBy === 'time-out' ? 'look' : 'woken'
    }
    if ((await turn.nextNotice(lingerMs)) === 'notice') return 'woken'
    return (await tryToLetGo(session)) ? 'idle' : 'look'
  }

  /** @returns false when work has come in meanwhile. */
  async function tryToLetGo({ turn, run, lease }: Session): Promise<boolean> {
    turn.close()
    const result = await withTransaction(pool, async (transaction) => {
      const freed = await letGoIfIdle(transaction, lease, instanceId)
      if (freed !== 'due') await run.settle(transaction)
      return freed
    })
    if (result === 'due') turn.reopen()
    return result !== 'due'
  }

  function start({ lease, run, underWay }: Session, destination: Destination, delivery: DueDelivery): void {
    const { body } = delivery
    if (body === null) {
      underWay.add(delivery.id, Promise.resolve(), () => callOff(delivery))
      return
    }
    const sending = attemptDelivery(deps, { lease, destination, delivery: { ...delivery, body }, signal: run.signal })
    underWay.add(delivery.id, sending, async (settlement) => {
      const settled = await deps.settler.settle(settlement)
      if (settled?.holdsLease === false) lease.markLost()
    })
  }

  async function callOff({ id }: DueDelivery): Promise<void> {
    for (const { projectId } of await cancelOpen(sql, [id])) deps.notices.changed(projectId, [id])
  }

  async function leave({ endpointId, lease, run }: Session, end: RunEnd): Promise<void> {
    if (end === 'idle' || end === 'lost') return
    if (end === 'closing') run.postpone()
    if (end !== 'turn-over') return await letGo(sql, lease, instanceId)
    await withTransaction(pool, async (transaction) => {
      await letGo(transaction, lease, instanceId)
      await run.settle(transaction)
      await deps.queue.enqueue(transaction, drainTask, [drainTaskFor(endpointId)])
    })
    deps.queue.wake(drainTask)
  }

  return {
    handler,
    notify(endpointIds) {
      for (const endpointId of endpointIds) turns.notify(endpointId)
    },
  }
}
