import type { Redis } from 'ioredis'
import type { Logger } from '../kernel/log.ts'
import { closeRedis, connectRedis } from '../redis/connection.ts'

/*
 * The Redis in which all processes count together, and whether it can be used now. Whoever counts asks `redis()` first
 * and counts alone while there is none; so a Redis that is away or hangs costs the few requests that are under way to it
 * a quarter of a second, once, and no request anything afterwards.
 *
 *   alone ──ready, or a ping is answered──▶ shared
 *   shared ──connection lost, or a command failed or took too long──▶ alone      (a ping each second)
 */
export interface SharedCounters {
  /** @returns null while Redis cannot be used. */
  redis(): Redis | null
  /** A command was answered. */
  worked(): void
  /** A command failed or was not answered in time. */
  failed(error: unknown): void
  close(): Promise<void>
}

const commandTimeoutMs = 250
const pingEveryMs = 1_000
/** A connection that is up but carries nothing for so many pings is given up for a new one: a broken network may never tell. */
const pingsToGiveUp = 5

/** Returns at once, whether Redis is there or not. */
export function createSharedCounters({ url, log }: { readonly url: string; readonly log: Logger }): SharedCounters {
  let isShared = false
  let isReported = false
  let isClosed = false
  let missedPings = 0

  const failed = (error: unknown) => {
    isShared = false
    if (isReported || isClosed) return
    isReported = true
    log.warn({ err: error }, awayMessage)
  }
  const redis = connectRedis({ url, role: 'limiter', commandTimeoutMs, onAway: failed })
  const ping = async () => {
    if (isShared || isClosed || redis.status !== 'ready') return
    try {
      await redis.ping()
      isShared = true
      missedPings = 0
    } catch {
      missedPings += 1
      if (missedPings % pingsToGiveUp === 0 && redis.status === 'ready') redis.disconnect(true)
    }
  }
  redis.on('ready', () => void ping())
  const pinging = setInterval(() => void ping(), pingEveryMs).unref()

  return {
    redis: () => (isShared ? redis : null),
    worked() {
      // Not at a ping: a Redis that answers those may still refuse to count.
      if (isReported) log.info('Redis is back: rate limits hold over all processes again')
      isReported = false
    },
    failed,
    async close() {
      isClosed = true
      isShared = false
      clearInterval(pinging)
      await closeRedis(redis)
    },
  }
}

const awayMessage =
  'Redis cannot be used: each process counts rate limits for itself meanwhile. Check REDIS_URL, that Redis runs, and that its user may run scripts on the keys hookline:rate:*'
