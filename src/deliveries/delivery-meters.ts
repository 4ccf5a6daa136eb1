import { Counter, Histogram, type Registry } from 'prom-client'
import type { Arrived } from './fan-out-counts.ts'
import type { Settled, Settlement } from './settle.ts'

export interface DeliveryMeters {
  /** Messages were fanned out. */
  arrived(arrived: readonly Arrived[]): void
  /** Attempts were settled. */
  observe(batch: readonly Settlement[], results: readonly Settled[]): void
}

/** Stands for all types that are not registered, so that senders cannot make labels, and for those beyond `maxTypes`. */
const otherTypes = 'other'
/** Types that get a label of their own, first come first served until the process ends: projects may register any number. */
const maxTypes = 500

export function createDeliveryMeters(metrics: Registry): DeliveryMeters {
  const events = new Counter({
    name: 'webhook_events_total',
    help: `What happened to events, by type if it is registered (\`other\` if not, and beyond ${maxTypes} types): \`received\` messages, and deliveries that were \`delivered\`, \`retrying\` or \`failed\`.`,
    labelNames: ['event_type', 'status'],
    registers: [metrics],
  })
  const attempts = new Counter({
    name: 'webhook_delivery_attempts_total',
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
    name: 'webhook_delivery_duration_seconds',
    help: 'How long receivers took, until the last byte that was read.',
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30],
    registers: [metrics],
  })
  const types = new Set<string>()
  const typeOf = (eventType: string | null): string => {
    if (eventType === null || types.has(eventType)) return eventType ?? otherTypes
    if (types.size >= maxTypes) return otherTypes
    types.add(eventType)
    return eventType
  }
  return {
    arrived(arrived) {
      for (const { eventType, count } of arrived) {
        events.inc({ event_type: typeOf(eventType), status: 'received' }, count)
      }
    },
    observe(batch, results) {
      batches.observe(results.length)
      const byId = new Map(batch.map((settlement) => [settlement.deliveryId, settlement]))
      for (const { deliveryId, status, eventType } of results) {
        const outcome = byId.get(deliveryId)?.outcome
        attempts.inc({ outcome: outcome?.failure ?? 'delivered' })
        settled.inc({ status: status ?? 'stale' })
        if (status !== null) events.inc({ event_type: typeOf(eventType), status })
        if (outcome !== undefined) durations.observe(outcome.durationMs / 1000)
      }
    },
  }
}
