import { percentileOf } from '../rollups/index.ts'

/** What happened to a node in one span of time. */
export interface StatsBucket {
  readonly from: Date
  /** Excluded. */
  readonly to: Date
  readonly receivedCount: number
  readonly refusedCount: number
  readonly createdCount: number
  readonly deliveredCount: number
  readonly failedCount: number
  readonly retriedCount: number
  readonly attemptCount: number
  /** Of all attempts. */
  readonly durationMs: number
  /** Attempts by slot of their duration. */
  readonly histogram: readonly number[]
}

/** How long attempts took, in ms. */
export interface Latency {
  readonly meanMs: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
}

export function emptyBucket(fromMs: number, toMs: number): StatsBucket {
  return {
    from: new Date(fromMs),
    to: new Date(toMs),
    receivedCount: 0,
    refusedCount: 0,
    createdCount: 0,
    deliveredCount: 0,
    failedCount: 0,
    retriedCount: 0,
    attemptCount: 0,
    durationMs: 0,
    histogram: [],
  }
}

/** @returns 0 to 1; null when nothing ended. */
export function successRatioOf({ deliveredCount, failedCount }: StatsBucket): number | null {
  const ended = deliveredCount + failedCount
  return ended === 0 ? null : deliveredCount / ended
}

/** @returns null when there were no attempts. */
export function latencyOf({ attemptCount, durationMs, histogram }: StatsBucket): Latency | null {
  if (attemptCount === 0) return null
  return {
    meanMs: durationMs / attemptCount,
    p50Ms: percentileOf(histogram, 0.5),
    p95Ms: percentileOf(histogram, 0.95),
    p99Ms: percentileOf(histogram, 0.99),
  }
}
