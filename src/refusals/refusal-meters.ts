import { Counter, type Registry } from 'prom-client'
import type { RefusalReason } from './refusal.ts'

export function createRefusalMeters(metrics: Registry) {
  const refused = new Counter({
    name: 'hookline_refusals_total',
    help: 'Requests that sources turned away.',
    labelNames: ['reason'],
    registers: [metrics],
  })
  const dropped = new Counter({
    name: 'hookline_refusals_dropped_total',
    help: 'Refusals that were counted but not kept: of a flood, or while the database was away.',
    registers: [metrics],
  })
  return {
    refused(reason: RefusalReason): void {
      refused.inc({ reason })
    },
    dropped(count: number): void {
      dropped.inc(count)
    },
  }
}
