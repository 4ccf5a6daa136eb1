import type { Logger } from '../kernel/log.ts'
import type { Bus } from './bus.ts'
import { ChannelListeners, Outbox } from './wake-ups.ts'

/**
 * The bus within one process; nothing to recover from.
 *
 * @param options.reachesAll whether no other process can be at work on the same database. Where one may, its wake-ups do
 * not arrive here, so that the bus does not count as healthy. Default true.
 */
export function createMemoryBus(options: { readonly log?: Logger; readonly reachesAll?: boolean } = {}): Bus {
  const { reachesAll = true } = options
  const listeners = new ChannelListeners(options.log)
  const outbox = new Outbox((channel, payload) => listeners.call(channel, payload))
  return {
    publish: (channel, payload = '') => outbox.add(channel, payload),
    subscribe(channel, listener) {
      // Wrapped, so that the same function may listen twice.
      const own = (payload: string): void => listener(payload)
      listeners.add(channel, own)
      return () => {
        listeners.remove(channel, own)
      }
    },
    isHealthy: () => reachesAll,
    onRecovered: () => () => undefined,
    async close() {
      outbox.flush()
      listeners.clear()
    },
  }
}
