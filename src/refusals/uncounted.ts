import type { ProjectId, SourceId } from '../kernel/ids.ts'
import type { RefusedMore } from './refusal-statements.ts'

/** Refusals that are not stored one by one, gathered by source and minute until they are counted. */
export interface Uncounted {
  add(refusal: { readonly projectId: ProjectId; readonly sourceId: SourceId; readonly refusedAt: Date }): void
  isEmpty(): boolean
  /** Takes some of what was gathered, 500 at most. */
  take(): RefusedMore[]
  /** Gives back what could not be counted. */
  giveBack(refused: readonly RefusedMore[]): void
}

const minuteMs = 60_000
const maxTaken = 500
/** While the database is away: an hour of a hundred sources. Beyond it what is new is forgotten. */
const maxGathered = 6_000

export function createUncounted(): Uncounted {
  const gathered = new Map<string, RefusedMore>()
  function put(refused: RefusedMore): void {
    const key = `${refused.sourceId} ${refused.minute.getTime()}`
    const known = gathered.get(key)
    if (known === undefined && gathered.size >= maxGathered) return
    gathered.set(key, { ...refused, count: refused.count + (known?.count ?? 0) })
  }
  return {
    add({ projectId, sourceId, refusedAt }) {
      const minute = new Date(Math.floor(refusedAt.getTime() / minuteMs) * minuteMs)
      put({ projectId, sourceId, minute, count: 1 })
    },
    isEmpty: () => gathered.size === 0,
    take() {
      const taken = [...gathered.entries()].slice(0, maxTaken)
      for (const [key] of taken) gathered.delete(key)
      return taken.map(([, refused]) => refused)
    },
    giveBack(refused) {
      for (const each of refused) put(each)
    },
  }
}
