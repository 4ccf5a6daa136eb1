/**
 * How many bytes of large bodies one process has under way. Without a bound a few receivers that hang would fill the
 * memory with what waits for them. Small bodies are not counted: their number is bounded, and none of them has to wait
 * for a receiver of large ones.
 */
export interface BodyBudget {
  /** @returns false when there is no room now; true reserves it until `give`. */
  tryTake(bytes: number): boolean
  give(bytes: number): void
  /** Resolves when so much may be free, at the latest after this time. First come, first served. */
  room(bytes: number, timeoutMs: number): Promise<void>
}

const defaultMaxBytes = 128 * 1024 * 1024
/** Bodies up to this size are not counted. */
const smallBytes = 64 * 1024

interface Waiter {
  readonly bytes: number
  readonly resolve: () => void
}

export function createBodyBudget(maxBytes = defaultMaxBytes): BodyBudget {
  const waiting = new Set<Waiter>()
  let takenBytes = 0
  // What is larger than the whole budget goes alone.
  const fits = (bytes: number) => bytes <= smallBytes || takenBytes === 0 || takenBytes + bytes <= maxBytes

  return {
    tryTake(bytes) {
      if (!fits(bytes)) return false
      if (bytes > smallBytes) takenBytes += bytes
      return true
    },
    give(bytes) {
      if (bytes <= smallBytes) return
      takenBytes -= bytes
      const [first] = waiting
      if (first === undefined || !fits(first.bytes)) return
      // At once, so that what is given next is the next one's.
      waiting.delete(first)
      first.resolve()
    },
    async room(bytes, timeoutMs) {
      if (fits(bytes)) return
      const { promise, resolve } = Promise.withResolvers<void>()
      const waiter = { bytes, resolve }
      const timer = setTimeout(resolve, timeoutMs)
      waiting.add(waiter)
      await promise
      clearTimeout(timer)
      waiting.delete(waiter)
    },
  }
}
