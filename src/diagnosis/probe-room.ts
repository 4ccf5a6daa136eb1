import type { ProjectId } from '../kernel/ids.ts'
import type { Outcome } from '../kernel/outcome.ts'

/** Tests and examinations of one project at a time, in one process. */
const maxProbes = 10

/** Room for what waits on other people's servers. */
export interface ProbeRoom {
  /** Does the work, or answers that too much of it is under way. */
  enter<Value>(projectId: ProjectId, work: () => Promise<Outcome<Value>>): Promise<Outcome<Value>>
}

export function createProbeRoom(): ProbeRoom {
  const counts = new Map<ProjectId, number>()
  return {
    async enter(projectId, work) {
      const count = counts.get(projectId) ?? 0
      if (count >= maxProbes) return { kind: 'limit-reached', limit: maxProbes, path: ['input'] }
      counts.set(projectId, count + 1)
      try {
        return await work()
      } finally {
        const left = (counts.get(projectId) ?? 1) - 1
        if (left > 0) counts.set(projectId, left)
        else counts.delete(projectId)
      }
    },
  }
}
