import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { isDatabaseAway } from '../db/is-database-away.ts'
import { type Sql, withTransaction } from '../db/sql.ts'
import type { OperationId } from '../kernel/ids.ts'
import type { Logger } from '../kernel/log.ts'
import { unreachable } from '../kernel/unreachable.ts'
import type { TaskHandler, TaskQueue, TaskRun } from '../queue/index.ts'
import type { OperationKind } from './operation.ts'
import type { OperationNotices } from './operation-notices.ts'
import { finishOperation, lockRunning, moveOperation, type RunningOperation } from './operation-steps.ts'
import { runOperation, runOperationFor } from './run-operation.task.ts'

/** An operation as its next step finds it. */
export type OperationAtWork = RunningOperation

interface Counts {
  /** Objects that this step dealt with. */
  readonly done: number
  /** Of these, the objects that it left as they were. */
  readonly skipped: number
}

/** What one step came to. */
export type OperationStep =
  | (Counts & {
      readonly kind: 'moved'
      /** Where the next step begins; stored as JSON. */
      readonly progress: object
      /** Objects in all, once they are counted. */
      readonly totalCount?: number
      /** Called after the commit. */
      readonly onCommitted?: () => void
    })
  /** Nothing is left. What was counted, but is not there any more, counts as skipped. */
  | { readonly kind: 'over' }
  /** It cannot go on; `detail` is public. */
  | { readonly kind: 'failed'; readonly detail: string }

/** Does one bounded part of the work, in the transaction that holds the operation's row. */
export type StepTaker = (sql: Sql, operation: OperationAtWork) => Promise<OperationStep>

export interface OperationRunnerDeps {
  readonly pool: Pool
  readonly queue: Pick<TaskQueue, 'enqueue' | 'wake'>
  readonly notices: OperationNotices
  readonly kinds: Readonly<Record<OperationKind, StepTaker>>
  readonly log: Logger
  /** Before the second try of a step that failed; doubled for each further one. Default 1,000. */
  readonly retryDelayMs?: number
  /** After so long others have their turn. Default 10,000. */
  readonly turnMs?: number
}

/** Operations under way at a time in one process; each holds a connection while it takes a step. */
export const operationConcurrency = 2

const defaultTurnMs = 10_000
/** Who keeps failing ends, so that its project can begin others. What harms for a moment, such as a lock, is over by then. */
const maxTries = 5
const defaultRetryDelayMs = 1_000
/** Public: what went wrong stands in the log. */
const brokenDetail = 'An internal error ended it, several times at the same place. What is done stays done.'

export function createOperationRunner(deps: OperationRunnerDeps): TaskHandler<{ operationId: OperationId }> {
  return async ({ operationId }, run) => {
    const endMs = performance.now() + (deps.turnMs ?? defaultTurnMs)
    for (;;) {
      if (run.closing.aborted) return run.postpone()
      const startMs = performance.now()
      const step = await tryStep(deps, operationId, run)
      if (step === 'closing') return run.postpone()
      if (step === null) return
      step.announce()
      if (step.isLast) return
      if (performance.now() > endMs) return await goToTheEnd(deps, operationId, run)
      // Half of a connection's time at most: what is new goes before what is old.
      await sleep(performance.now() - startMs, null, { signal: run.closing }).catch(() => undefined)
    }
  }
}

/** A long operation must not keep others from beginning: a new task waits behind theirs. */
async function goToTheEnd({ pool, queue }: OperationRunnerDeps, id: OperationId, run: TaskRun): Promise<void> {
  await withTransaction(pool, async (sql) => {
    await run.settle(sql)
    await queue.enqueue(sql, runOperation, [runOperationFor(id)])
  })
  queue.wake(runOperation)
}

interface Taken {
  readonly isLast: boolean
  announce(): void
}

/**
 * Takes a step, several times if it must. A step that fails each time ends the operation as failed.
 *
 * @returns null when it does not run any more.
 * @throws what says that the database is away: that is no fault of the operation, and its task comes back.
 */
async function tryStep(deps: OperationRunnerDeps, id: OperationId, run: TaskRun): Promise<Taken | 'closing' | null> {
  for (let delayMs = deps.retryDelayMs ?? defaultRetryDelayMs, tries = 1; ; delayMs *= 2, tries += 1) {
    try {
      return await withTransaction(deps.pool, (sql) => takeStep(deps, sql, id))
    } catch (error) {
      if (isDatabaseAway(error)) throw error
      const line = { err: error, operationId: id, tries }
      if (tries === maxTries) {
        deps.log.error(line, 'a step of an operation keeps failing: the operation ends')
        return await withTransaction(deps.pool, (sql) => endBroken(deps, sql, id))
      }
      deps.log.warn(line, 'a step of an operation failed')
    }
    await sleep(delayMs, null, { signal: run.closing }).catch(() => undefined)
    if (run.closing.aborted) return 'closing'
  }
}

async function endBroken({ notices }: OperationRunnerDeps, sql: Sql, id: OperationId): Promise<Taken | null> {
  const operation = await lockRunning(sql, id)
  if (operation === null) return null
  await finishOperation(sql, id, { status: 'failed', failureDetail: brokenDetail })
  return { isLast: true, announce: () => notices.ended(operation) }
}

/** @returns null when it does not run any more. */
async function takeStep({ notices, kinds }: OperationRunnerDeps, sql: Sql, id: OperationId): Promise<Taken | null> {
  const operation = await lockRunning(sql, id)
  if (operation === null) return null
  const step = await kinds[operation.kind](sql, operation)
  switch (step.kind) {
    case 'moved':
      await moveOperation(sql, id, step)
      return {
        isLast: false,
        announce() {
          step.onCommitted?.()
          notices.moved(operation)
        },
      }
    case 'over':
      await finishOperation(sql, id, { status: 'completed', failureDetail: null })
      return { isLast: true, announce: () => notices.ended(operation) }
    case 'failed':
      await finishOperation(sql, id, { status: 'failed', failureDetail: step.detail })
      return { isLast: true, announce: () => notices.ended(operation) }
    default:
      return unreachable(step)
  }
}
