import { setImmediate } from 'node:timers/promises'

/** Small against what people notice, and large against what a turn of the event loop costs. */
const defaultTurnMs = 10

/**
 * Makes long work stop for others: await what it gives, now and then.
 *
 * @returns a function that, once 10 ms have passed since the last turn, gives everybody else theirs; before, it does
 *   nothing.
 */
export function createTurns(turnMs: number = defaultTurnMs): () => Promise<void> | undefined {
  let sinceMs = performance.now()
  return () => {
    if (performance.now() - sinceMs < turnMs) return undefined
    return setImmediate().then(() => {
      sinceMs = performance.now()
    })
  }
}
