import { Redis } from 'ioredis'

export interface ConnectionOptions {
  /** `redis://` or `rediss://`; may hold a password, so it is never logged. */
  readonly url: string
  /** What the connection is for, as `client list` shows it. */
  readonly role: 'publisher' | 'subscriber' | 'limiter'
  /** How long an answer is waited for. Absent: for ever. */
  readonly commandTimeoutMs?: number
  /** Called when the connection is lost or cannot be made, again and again while that lasts. */
  readonly onAway: (error?: Error) => void
}

/** Redis may be away when we start and at any time later; nothing waits for it longer than this. */
const connectTimeoutMs = 5_000
const maxReconnectDelayMs = 1_000

/**
 * A connection that comes back by itself, for ever. Nothing is queued while it is away: what is sent then is refused at
 * once. Does not fail, nor wait, when Redis is away.
 */
export function connectRedis({ url, role, commandTimeoutMs, onAway }: ConnectionOptions): Redis {
  const redis = new Redis(url, {
    ...(commandTimeoutMs === undefined ? {} : { commandTimeout: commandTimeoutMs }),
    connectionName: `hookline-${role}`,
    connectTimeout: connectTimeoutMs,
    enableOfflineQueue: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 10), maxReconnectDelayMs),
  })
  redis.on('error', onAway)
  redis.on('close', () => onAway())
  return redis
}

/** Sends what was written, then closes; resolves when the connection is gone. */
export async function closeRedis(redis: Redis): Promise<void> {
  const isConnected = redis.status === 'ready' || redis.status === 'connect' || redis.status === 'connecting'
  const ended = new Promise((resolve) => redis.once('end', resolve))
  redis.disconnect()
  // Between two attempts there is no connection, so nothing ends.
  if (isConnected) await ended
}
