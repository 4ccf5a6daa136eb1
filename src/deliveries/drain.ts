import type { Pool } from 'pg'
import { sqlOfPool, withTransaction } from '../db/sql.ts'
import type { EndpointId } from '../kernel/ids.ts'
import { unreachable } from '../kernel/unreachable.ts'
import type { TaskHandler, TaskQueue, TaskRun } from '../queue/index.ts'
import { createBodyBudget } from './body-budget.ts'
import { drainTask, drainTaskFor } from './drain.task.ts'
import { type Session, type SessionDeps, type SessionEnd, sendDue } from './drain-session.ts'
import { createHeldLeases, type HeldLease } from './held-leases.ts'
import { letGo, letGoIfIdle } from './lease.ts'
import { createTurns, type Turn } from './turns.ts'
import { createUnderWay } from './under-way.ts'

/*
 * Sends what is due for one endpoint. A drain task says that there may be such; its handler
 *
 *   1. takes the endpoint's lease, so that one process at a time sends to it;
 *   2. reads a page of due deliveries, sends them, some at a time, and has each outcome settled together with those of
 *      other endpoints; while they are under way it reads on (drain-session.ts). No connection is held while a receiver
 *      is waited for;
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
 * task goes to the end of the line), when the endpoint's rate lets nothing through for a while or when something unexpected
 * fails (the endpoint rests). An endpoint that is held back has nothing to be sent; the promoter finds it when its time
 * has come.
 */
export interface Drain {
  readonly handler: TaskHandler<{ endpointId: EndpointId }>
  /** New work was committed for these endpoints: if they are drained here, they look again at once. */
  notify(endpointIds: readonly EndpointId[]): void
}

export interface DrainDeps extends Omit<SessionDeps, 'sql' | 'bodies'> {
  readonly pool: Pool
  readonly queue: Pick<TaskQueue, 'enqueue' | 'wake'>
  readonly instanceId: string
  /** Bodies of large messages that are under way at a time. */
  readonly maxBodyBytes?: number
}

/**
 * Endpoints that are drained at a time in one process. They mostly wait for receivers. Past it the others wait for a
 * turn to end, so it is to be larger than the number of receivers that hang at a time; sockets and memory bound it.
 */
export const drainConcurrency = 1_024

/** Long enough to be cheap, short enough that more than `drainConcurrency` busy endpoints all get on. */
const turnMs = 30_000
/** After an unexpected failure, such as a secret that does not open or a database that does not answer. */
const restMs = 10_000

export function createDrain(deps: DrainDeps): Drain {
  const sql = sqlOfPool(deps.pool)
  const turns = createTurns<EndpointId>()
  const leases = createHeldLeases({ ...deps, sql })
  const sessionDeps = { ...deps, sql, bodies: createBodyBudget(deps.maxBodyBytes) }
  return {
    async handler({ endpointId }, run) {
      const turn = await turns.enter(endpointId)
      if (turn === null) return
      try {
        const lease = await leases.take(endpointId)
        if (lease !== null) await drain(sessionDeps, { endpointId, lease, turn, run }).finally(lease.forget)
      } finally {
        turn.end()
      }
    },
    notify(endpointIds) {
      for (const endpointId of endpointIds) turns.notify(endpointId)
    },
  }
}

type Deps = DrainDeps & SessionDeps

interface Turned {
  readonly endpointId: EndpointId
  readonly lease: HeldLease
  readonly turn: Turn
  readonly run: TaskRun
}

async function drain(deps: Deps, turned: Turned): Promise<void> {
  const session: Session = {
    ...turned,
    underWay: createUnderWay(),
    endMs: performance.now() + turnMs,
    isHeldBack: false,
    isInDoubt: false,
    verdict: Promise.resolve(),
    isProbing: turned.lease.isProbing,
    probe: null,
    probeCount: 0,
  }
  const { endpointId, lease, run, underWay } = session
  try {
    let end = await sendDue(deps, session)
    while (end.kind === 'idle' && !(await letGoOfIdle(deps, session))) end = await sendDue(deps, session)
    await underWay.allEnded()
    underWay.throwIfFailed()
    await leave(deps, session, end)
  } catch (error) {
    await underWay.allEnded()
    if (run.signal.aborted) run.postpone()
    else deps.log.warn({ err: error, endpointId }, 'draining an endpoint failed; it rests')
    await letGo(deps.sql, lease, { ...lease.lettingGo(), delayMs: run.signal.aborted ? 0 : restMs })
  }
}

/** @returns false when work has come in meanwhile. */
async function letGoOfIdle({ pool }: Deps, { turn, run, lease }: Session): Promise<boolean> {
  turn.close()
  const result = await withTransaction(pool, async (transaction) => {
    const freed = await letGoIfIdle(transaction, lease, lease.lettingGo())
    if (freed !== 'due') await run.settle(transaction)
    return freed
  })
  if (result === 'due') turn.reopen()
  return result !== 'due'
}

async function leave(deps: Deps, { endpointId, lease, run }: Session, end: SessionEnd): Promise<void> {
  const leaving = lease.lettingGo()
  switch (end.kind) {
    case 'idle':
    case 'lost':
      return
    case 'closing':
      run.postpone()
      return await letGo(deps.sql, lease, leaving)
    case 'unknown-endpoint':
      // Without a secret that counts: the client may add one. Of a deleted endpoint there is no lease to let go of.
      return await letGo(deps.sql, lease, { ...leaving, delayMs: restMs })
    case 'resting':
      // The promoter finds it when the rest is over.
      return await letGo(deps.sql, lease, { ...leaving, delayMs: end.restMs })
    case 'turn-over':
      await withTransaction(deps.pool, async (transaction) => {
        await letGo(transaction, lease, leaving)
        await run.settle(transaction)
        await deps.queue.enqueue(transaction, drainTask, [drainTaskFor(endpointId)])
      })
      deps.queue.wake(drainTask)
      return
    default:
      unreachable(end)
  }
}
