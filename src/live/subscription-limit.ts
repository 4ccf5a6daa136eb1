/** How many streams one process serves each project at a time, so that a client that forgets to end them harms its own. */
export interface SubscriptionLimit {
  readonly max: number
  /** @returns gives the place back, once however often it is called; null when the project has as many as it may. */
  take(projectId: string): (() => void) | null
}

/** An idle subscriber takes some 20 kB. */
const defaultMax = 10_000

export function createSubscriptionLimit(max: number = defaultMax): SubscriptionLimit {
  const counts = new Map<string, number>()
  return {
    max,
    take(projectId) {
      const count = counts.get(projectId) ?? 0
      if (count >= max) return null
      counts.set(projectId, count + 1)
      let isGiven = false
      return () => {
        if (isGiven) return
        isGiven = true
        const left = (counts.get(projectId) ?? 0) - 1
        if (left > 0) counts.set(projectId, left)
        else counts.delete(projectId)
      }
    },
  }
}
