import { Counter, Gauge, type Registry } from 'prom-client'
import type { LossReason } from './lease.ts'

export type ListenerMeters = ReturnType<typeof createListenerMeters>

/** @param heldCount how many listeners the streams of this process hold. */
export function createListenerMeters(metrics: Registry, heldCount: () => number) {
  new Gauge({
    name: 'hookline_listeners_held',
    help: 'Listeners that streams of this process hold.',
    registers: [metrics],
    collect() {
      this.set(heldCount())
    },
  })
  const lost = new Counter({
    name: 'hookline_listener_streams_ended_total',
    help: 'Streams of listeners that were ended here: taken by a newer one, listener gone, or right lost.',
    labelNames: ['reason'],
    registers: [metrics],
  })
  const acknowledgements = new Counter({
    name: 'hookline_listener_acknowledgements_total',
    help: 'Acknowledgements by listeners, accepted and refused.',
    labelNames: ['result'],
    registers: [metrics],
  })
  return {
    lost(reason: LossReason): void {
      lost.inc({ reason })
    },
    acknowledged(isAccepted: boolean): void {
      acknowledgements.inc({ result: isAccepted ? 'accepted' : 'refused' })
    },
  }
}
