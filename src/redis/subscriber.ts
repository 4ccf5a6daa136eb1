import { type ConnectionOptions, closeRedis, connectRedis } from './connection.ts'

export interface Subscriber {
  add(channel: string): void
  remove(channel: string): void
  /** Whether the connection is up and all channels of its beginning are subscribed. */
  isReady(): boolean
  /** Gives the connection up, where there is one, and makes a new one. */
  reconnect(): void
  close(): Promise<void>
}

export interface SubscriberOptions extends Omit<ConnectionOptions, 'role'> {
  readonly onReady: () => void
  readonly onMessage: (channel: string, payload: string) => void
  /** Called once a channel that was added while the connection was up is subscribed. */
  readonly onSubscribed: (channel: string) => void
}

/** Channels in one command. */
const batchSize = 1_000

/**
 * Keeps a set of channels subscribed. The set is ours, not the client's: each new connection subscribes all of it, so
 * that what changed while Redis was away needs no care. Commands of one connection take effect in the order sent.
 */
export function createSubscriber(options: SubscriberOptions): Subscriber {
  const { onReady, onMessage, onSubscribed, ...connection } = options
  const redis = connectRedis({ ...connection, role: 'subscriber' })
  const channels = new Set<string>()
  let isReady = false

  async function subscribeAll(): Promise<void> {
    const all = [...channels]
    for (let at = 0; at < all.length; at += batchSize) await redis.subscribe(...all.slice(at, at + batchSize))
    const removedMeanwhile = all.filter((channel) => !channels.has(channel))
    if (removedMeanwhile.length > 0) await redis.unsubscribe(...removedMeanwhile)
    isReady = true
    onReady()
  }

  redis.on('message', onMessage)
  redis.on('ready', () => {
    subscribeAll().catch(connection.onAway)
  })
  redis.on('close', () => {
    isReady = false
  })

  return {
    add(channel) {
      channels.add(channel)
      // Otherwise the next connection subscribes it.
      if (redis.status === 'ready') redis.subscribe(channel).then(() => onSubscribed(channel), connection.onAway)
    },
    remove(channel) {
      channels.delete(channel)
      if (redis.status === 'ready') redis.unsubscribe(channel).catch(connection.onAway)
    },
    isReady: () => isReady,
    reconnect() {
      if (redis.status === 'ready') redis.disconnect(true)
    },
    close: () => closeRedis(redis),
  }
}
