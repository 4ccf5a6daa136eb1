import type { ProjectId } from '../kernel/ids.ts'
import type { SchemaJob } from './schema-checker.ts'
import { type CheckOutcome, createSchemaProcess } from './schema-process.ts'

/*
 * One project's slow checks must not hold up another's. All begin in the common lane; a check that is slow there moves
 * its project, with all it has waiting, to the slow lane for a while. Each lane is a process of its own, and the slow one
 * is started only once it is needed.
 */
export interface SchemaLanes {
  /** Never rejects. */
  run(projectId: ProjectId, job: SchemaJob): Promise<CheckOutcome>
  close(): Promise<void>
}

/** How long a project stays in the slow lane after its last slow check. */
const slowForMs = 60_000

export function createSchemaLanes(): SchemaLanes {
  const slowUntilMs = new Map<string, number>()
  const markSlow = (owner: string) => void slowUntilMs.set(owner, performance.now() + slowForMs)
  const slow = createSchemaProcess({ onSlow: markSlow })
  const common = createSchemaProcess({
    onSlow(owner) {
      markSlow(owner)
      slow.adopt(common.withdraw(owner))
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
