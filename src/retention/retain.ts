import { Counter, type Registry } from 'prom-client'
import type { Sql } from '../db/sql.ts'
import type { DeliveryId, ProjectId, SourceId } from '../kernel/ids.ts'
import type { Logger } from '../kernel/log.ts'
import type { TaskHandler, TaskRun } from '../queue/index.ts'
import { dropMessages } from './drop-messages.ts'
import { moveFloor } from './floor.ts'

export interface RetainDeps {
  readonly sql: Sql
  /** Told of the deliveries that expired, after each commit. */
  readonly notices: { changed(projectId: ProjectId, ids: readonly DeliveryId[]): void }
  readonly log: Logger
  readonly metrics: Registry
  /** Where neither source nor project has a rule; null: unlimited. */
  readonly defaultMaxAgeHours: number | null
}

/** Sources at a time in one process, so that one long log does not hold up all others. */
export const retainConcurrency = 2

/**
 * Applies a source's rule once: what comes in meanwhile is left to the next look, so that a busy source gives way to
 * others. Any number of processes may be at the same source: each step finds what is still there.
 */
export function createRetain(deps: RetainDeps): TaskHandler<{ sourceId: SourceId }> {
  const dropped = new Counter({
    name: 'hookline_retention_dropped_messages_total',
    help: 'Messages that retention dropped.',
    registers: [deps.metrics],
  })
  return async ({ sourceId }, run) => {
    const floor = await moveFloor(deps.sql, sourceId, deps.defaultMaxAgeHours)
    if (floor === null) return
    const total = await dropBelow(deps, { sourceId, floor }, run)
    dropped.inc(total.messages)
    if (total.messages > 0) deps.log.info({ sourceId, firstSequence: floor, ...total }, 'messages dropped by retention')
  }
}

async function dropBelow(
  { sql, notices }: RetainDeps,
  { sourceId, floor }: { readonly sourceId: SourceId; readonly floor: number },
  run: Pick<TaskRun, 'closing' | 'postpone'>,
): Promise<{ messages: number; expiredDeliveries: number }> {
  const total = { messages: 0, expiredDeliveries: 0 }
  let after = 0
  for (;;) {
    const step = await dropMessages(sql, { sourceId, after, below: floor, status: 'expired' })
    if (step === null) return total
    notices.changed(step.projectId, step.deliveryIds)
    total.messages += step.count
    total.expiredDeliveries += step.deliveryIds.length
    after = step.lastSequence
    if (run.closing.aborted) {
      run.postpone()
      return total
    }
  }
}
