import { Counter, Histogram, type Registry } from 'prom-client'
import type { Settled, Settlement } from './settle.ts'

export function createDeliveryMeters(metrics: Registry) {
  const attempts = new Counter({
    name: 'hookline_delivery_attempts_total',
    help: 'Attempts that were settled; outcome is `delivered` or the kind of failure.',
    labelNames: ['outcome'],
    registers: [metrics],
  })
  const settled = new Counter({
    name: 'hookline_deliveries_settled_total',
    help: 'What deliveries became by an attempt; `stale` when it came too late to decide.',
    labelNames: ['status'],
    registers: [metrics],
  })
  const batches = new Histogram({
    name: 'hookline_delivery_settle_batch_attempts',
    help: 'Attempts settled by one transaction.',
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
    registers: [metrics],
  })
  const durations = new Histogram({
    name: 'hookline_delivery_attempt_duration_seconds',
    help: 'How long receivers took, until the last byte that was read.',
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30],
    registers: [metrics],
  })
  return {
    observe(batch: readonly Settlement[], results: readonly Settled[]): void {
      batches.observe(results.length)
      const byId = new Map(batch.map((settlement) => [settlement.deliveryId, settlement]))
      for (const { deliveryId, status } of results) {
        const outcome = byId.get(deliveryId)?.outcome
        attempts.inc({ outcome: outcome?.failure ?? 'delivered' })
        settled.inc({ status: status ?? 'stale' })
        if (outcome !== undefined) durations.observe(outcome.durationMs / 1000)
      }
    },
  }
}
