import type { RateLimit } from '../projects/limits.ts'

/**
 * Keeps an endpoint's rate limit: of any stretch of time as long as the window, at most `count` requests begin in it. Up
 * to that they go at once.
 *
 * Only the holder of the endpoint's lease sends, so the log of what was sent lately is kept in its memory, by the
 * database's clock, and is left in the endpoint's state when the lease is let go of. What a process sent under a lease
 * that it lost or died with is in nobody's log: then the next holder may send up to `count` too much, once.
 */
export interface Pace {
  /** Counts one request, unless it has to wait. @returns for how many ms; 0: it may be sent now. */
  take(limit: RateLimit | null): number
  /** The log for who holds the lease next; null when there is nothing in it. */
  text(): string | null
}

/** Requests that began so close to each other that they are counted as one moment, that of the last. */
type Entry = [lastMs: number, count: number]

/** How finely a window is looked at; bounds the log. */
const entriesPerWindow = 20

/**
 * @param text the log of the last holder.
 * @param nowMs the database's clock.
 */
export function createPace(text: string | null, nowMs: () => number): Pace {
  let entries: Entry[] = text === null ? [] : JSON.parse(text)

  return {
    take(limit) {
      if (limit === null) {
        entries = []
        return 0
      }
      const now = nowMs()
      while (entries[0] !== undefined && entries[0][0] <= now - limit.windowMs) entries.shift()
      const [first] = entries
      const count = entries.reduce((sum, entry) => sum + entry[1], 0)
      if (first !== undefined && count >= limit.count) return waitMs(entries, count - limit.count, now - limit.windowMs)
      const entryMs = limit.windowMs / entriesPerWindow
      const last = entries.at(-1)
      if (last !== undefined && Math.floor(last[0] / entryMs) === Math.floor(now / entryMs)) {
        last[0] = now
        last[1] += 1
      } else {
        entries.push([now, 1])
      }
      return 0
    },
    text: () => (entries.length === 0 ? null : JSON.stringify(entries)),
  }
}

/** Until so many have left the window, and one more. They may be many more than one when the limit was lowered. */
function waitMs(entries: readonly Entry[], excess: number, windowStartMs: number): number {
  let left = 0
  let waitMs = 0
  for (const [lastMs, count] of entries) {
    if (left > excess) break
    left += count
    waitMs = lastMs - windowStartMs
  }
  return Math.max(1, Math.ceil(waitMs))
}
