import type { Redis } from 'ioredis'
import { type ConnectionOptions, closeRedis, connectRedis } from './connection.ts'
import { slotOf } from './slot.ts'

export interface Subscriber {
  add(channel: string): void
  remove(channel: string): void
  /** Whether the connection is up and all channels are subscribed that were there when it came up. */
  isReady(): boolean
  /** Subscribes everything again, where the connection is up but the server took a channel away or refused one. */
  resume(): void
  /** Gives the connection up, where there is one, and makes a new one. */
  reconnect(): void
  close(): Promise<void>
}

export interface SubscriberOptions extends Omit<ConnectionOptions, 'role'> {
  /** Whether channels belong to the server, as in a Cluster. */
  readonly isSharded: boolean
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
  const { isSharded, onReady, onMessage, onSubscribed, ...connection } = options
  const redis = connectRedis({ ...connection, role: 'subscriber' })
  const commands = isSharded ? shardedCommands(redis) : plainCommands(redis)
  const channels = new Set<string>()
  let isReady = false
  let isSubscribing = false

  async function subscribeAll(): Promise<void> {
    const all = [...channels]
    await commands.subscribe(all)
    for (const channel of all) if (!channels.has(channel)) commands.unsubscribe(channel)
    isReady = true
    onReady()
  }

  function resume(): void {
    if (redis.status !== 'ready' || isReady || isSubscribing) return
    isSubscribing = true
    subscribeAll()
      .catch(connection.onAway)
      .finally(() => {
        isSubscribing = false
      })
  }

  function lose(error?: Error): void {
    isReady = false
    connection.onAway(error)
  }

  redis.on(isSharded ? 'smessage' : 'message', onMessage)
  redis.on('ready', resume)
  redis.on('close', () => {
    isReady = false
  })
  // The slot of a channel went to another server.
  redis.on('moved', () => lose())

  return {
    add(channel) {
      channels.add(channel)
      // Otherwise the next connection subscribes it.
      if (redis.status === 'ready') commands.subscribe([channel]).then(() => onSubscribed(channel), lose)
    },
    remove(channel) {
      channels.delete(channel)
      if (redis.status === 'ready') commands.unsubscribe(channel)
    },
    isReady: () => isReady,
    resume,
    reconnect() {
      if (redis.status === 'ready') redis.disconnect(true)
    },
    close: () => closeRedis(redis),
  }
}

interface Commands {
  subscribe(channels: readonly string[]): Promise<unknown>
  /** Where it fails the channel is gone already, with the connection or to another server. */
  unsubscribe(channel: string): void
}

function plainCommands(redis: Redis): Commands {
  return {
    subscribe: (channels) => Promise.all(batchesOf(channels).map((batch) => redis.subscribe(...batch))),
    unsubscribe: (channel) => void redis.unsubscribe(channel).catch(() => undefined),
  }
}

function shardedCommands(redis: Redis): Commands {
  return {
    // The channels of one command must be of one slot.
    subscribe(channels) {
      const bySlot = Map.groupBy(channels, slotOf)
      const batches = [...bySlot.values()].flatMap(batchesOf)
      return Promise.all(batches.map((batch) => redis.ssubscribe(...batch)))
    },
    unsubscribe: (channel) => void redis.sunsubscribe(channel).catch(() => undefined),
  }
}

function batchesOf(channels: readonly string[]): string[][] {
  const batches: string[][] = []
  for (let at = 0; at < channels.length; at += batchSize) batches.push(channels.slice(at, at + batchSize))
  return batches
}
