import type { ProjectId } from '../kernel/ids.ts'
import type { SchemaJob } from './schema-checker.ts'
import { type CheckOutcome, createSchemaProcess } from './schema-process.ts'

/*
 * One project's slow checks must not hold up another's. All begin in the common lane; a project whose checks take more
 * than a fair part of its time, by one of them or by many, moves with all it has waiting to the slow lane for a while.
 * Each lane is a process of its own, and the slow one is started only once it is needed.
 */
export interface SchemaLanes {
  /** Never rejects. */
  run(projectId: ProjectId, job: SchemaJob): Promise<CheckOutcome>
  close(): Promise<void>
}

/** How long a project stays in the slow lane after it last took too much. */
const slowForMs = 60_000
/** What a project may take at once: most checks take some microseconds … */
const maxBurstMs = 250
/** … and what part of the time it may take for ever. */
const maxShare = 0.25

export function createSchemaLanes(): SchemaLanes {
  const slowUntilMs = new Map<string, number>()
  const takesTooMuch = createTimeAccounts()
  const isTooMuch = (owner: string, tookMs: number) => {
    if (!takesTooMuch(owner, tookMs)) return false
    slowUntilMs.set(owner, performance.now() + slowForMs)
    return true
  }
  const slow = createSchemaProcess({ onTook: isTooMuch })
  const common = createSchemaProcess({
    onTook(owner, tookMs) {
      if (isTooMuch(owner, tookMs)) slow.adopt(common.withdraw(owner))
    },
  })

  function isSlow(projectId: ProjectId): boolean {
    const untilMs = slowUntilMs.get(projectId)
    if (untilMs === undefined) return false
    if (performance.now() < untilMs) return true
    slowUntilMs.delete(projectId)
    return false
  }

  return {
    run: (projectId, job) => (isSlow(projectId) ? slow : common).run(projectId, job),
    async close() {
      await Promise.all([common.close(), slow.close()])
    },
  }
}

/** @returns whether an owner that just took so long has taken more than it may. */
function createTimeAccounts(): (owner: string, tookMs: number) => boolean {
  const accounts = new Map<string, { takenMs: number; atMs: number }>()
  return (owner, tookMs) => {
    const nowMs = performance.now()
    const { takenMs, atMs } = accounts.get(owner) ?? { takenMs: 0, atMs: nowMs }
    const newTakenMs = Math.max(0, takenMs - (nowMs - atMs) * maxShare) + tookMs
    accounts.set(owner, { takenMs: newTakenMs, atMs: nowMs })
    return newTakenMs >= maxBurstMs
  }
}
