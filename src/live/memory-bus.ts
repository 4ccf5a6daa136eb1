import type { Logger } from '../kernel/log.ts'
import type { Bus } from './bus.ts'
import { ChannelListeners, Outbox } from './wake-ups.ts'

/** The bus of a process that is alone: always healthy, nothing to recover from. */
export function createMemoryBus(options: { readonly log?: Logger } = {}): Bus {
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
    isHealthy: () => true,
    onRecovered: () => () => undefined,
    async close() {
      outbox.flush()
      listeners.clear()
    },
  }
}
