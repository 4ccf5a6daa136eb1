import { type ConnectionOptions, closeRedis, connectRedis } from './connection.ts'

export interface Publisher {
  /** Sends, or drops what cannot be sent now. Never throws. */
  publish(channel: string, payload: string): void
  isReady(): boolean
  /** Gives the connection up, where there is one, and makes a new one. */
  reconnect(): void
  close(): Promise<void>
}

export interface PublisherOptions extends Omit<ConnectionOptions, 'role'> {
  /** Whether channels belong to the server, as in a Cluster. */
  readonly isSharded: boolean
  readonly onReady: () => void
  /** Called for each message that was not sent, or not acknowledged. */
  readonly onDropped: (error?: Error) => void
}

/** Unanswered messages at most: a Redis that hangs must not fill our memory. */
const maxUnanswered = 10_000

export function createPublisher({ isSharded, onReady, onDropped, ...connection }: PublisherOptions): Publisher {
  const redis = connectRedis({ ...connection, role: 'publisher' })
  redis.on('ready', onReady)
  let unanswered = 0
  return {
    publish(channel, payload) {
      if (redis.status !== 'ready' || unanswered >= maxUnanswered) {
        onDropped()
        return
      }
      unanswered += 1
      const sending = isSharded ? redis.spublish(channel, payload) : redis.publish(channel, payload)
      sending.catch(onDropped).finally(() => {
        unanswered -= 1
      })
    },
    isReady: () => redis.status === 'ready',
    reconnect() {
      if (redis.status === 'ready') redis.disconnect(true)
    },
    close: () => closeRedis(redis),
  }
}
