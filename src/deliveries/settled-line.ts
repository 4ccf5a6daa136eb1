import type { Settled, Settlement } from './settle.ts'

/** A batch may hold hundreds: these are to find one's way by, the rest is in the database. */
const maxIds = 20

/** The one log line of a batch of attempts that were settled together. */
export function settledLine(batch: readonly Settlement[], settled: readonly Settled[]): Record<string, unknown> {
  const endpointIds = [...new Set(batch.map(({ lease }) => lease.endpointId))]
  return {
    deliveries: settled.length,
    endpoints: endpointIds.length,
    outcomes: countsOf(settled.map(({ status }) => status ?? 'stale')),
    failures: countsOf(batch.flatMap(({ outcome }) => outcome.failure ?? [])),
    slowestMs: Math.round(Math.max(0, ...batch.map(({ outcome }) => outcome.durationMs))),
    deliveryIds: settled.slice(0, maxIds).map(({ deliveryId }) => deliveryId),
    endpointIds: endpointIds.slice(0, maxIds),
  }
}

function countsOf(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1
  return counts
}
