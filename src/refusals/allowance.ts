import type { SourceId } from '../kernel/ids.ts'

/** How many refusals of each source are kept: a flood at one costs no more than a person could read, and no other's room. */
export interface Allowance {
  /** @returns whether one more of this source is kept. */
  take(sourceId: SourceId, nowMs: number): boolean
}

const maxPerSecond = 50

export function createAllowance(): Allowance {
  // Of the running second alone, so that it never holds more than the sources that were refused in it.
  const taken = new Map<SourceId, number>()
  let second = 0
  return {
    take(sourceId, nowMs) {
      const now = Math.floor(nowMs / 1000)
      if (now !== second) taken.clear()
      second = now
      const count = taken.get(sourceId) ?? 0
      if (count >= maxPerSecond) return false
      taken.set(sourceId, count + 1)
      return true
    },
  }
}
