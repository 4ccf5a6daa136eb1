import type { Redis } from 'ioredis'
import { Gauge, type Registry } from 'prom-client'
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import type { Logger } from '../kernel/log.ts'
import type { RateLimit } from '../projects/limits.ts'
import type { IngressSource } from '../sources/index.ts'
import { createSharedCounters, type SharedCounters } from './shared-counters.ts'

/*
 * Counts requests against the limits of their source and project, in windows that begin with the first request. Counters
 * live in Redis where there is one, so that a limit holds over all processes, and else in this process. A limit that is
 * changed is another counter: it holds at once.
 */
export interface RateLimiter {
  /** Counts one request. Never rejects. */
  take(source: LimitedSource): Promise<RateVerdict>
  close(): Promise<void>
}

export type LimitedSource = Pick<IngressSource, 'id' | 'projectId' | 'rateLimit' | 'projectRateLimit'>

export interface RateVerdict {
  readonly isAllowed: boolean
  /** When a request can succeed again; 0 when it is allowed. */
  readonly retryAfterSeconds: number
  /** `ratelimit` and `ratelimit-policy`; empty for a source without limits. */
  readonly headers: Readonly<Record<string, string>>
}

export interface RateLimiterOptions {
  /** Null: this process counts alone. */
  readonly redisUrl: string | null
  readonly log: Logger
  readonly metrics: Registry
}

const unlimited: Promise<RateVerdict> = Promise.resolve({ isAllowed: true, retryAfterSeconds: 0, headers: {} })

export function createRateLimiter({ redisUrl, log, metrics }: RateLimiterOptions): RateLimiter {
  const shared = redisUrl === null ? null : createSharedCounters({ url: redisUrl, log })
  if (shared !== null) registerMetrics(metrics, shared)
  const counters = createCounters(shared)

  async function takeBoth({ id, projectId, rateLimit, projectRateLimit }: LimitedSource): Promise<RateVerdict> {
    const ofSource = rateLimit === null ? null : await counters.take('source', id, rateLimit)
    // What the source's own limit turns away does not use up what its neighbours may still send.
    if (ofSource?.isAllowed === false || projectRateLimit === null) return verdictOf([ofSource])
    return verdictOf([ofSource, await counters.take('project', projectId, projectRateLimit)])
  }

  return {
    take: (source) => (source.rateLimit === null && source.projectRateLimit === null ? unlimited : takeBoth(source)),
    close: async () => await shared?.close(),
  }
}

/** What one limit says. */
interface Count {
  readonly name: 'source' | 'project'
  readonly limit: RateLimit
  readonly isAllowed: boolean
  readonly remaining: number
  /** Until the window ends. */
  readonly seconds: number
}

/** Kept apart by limit: the library's limiters have one limit each. */
interface Limiter {
  readonly memory: RateLimiterMemory
  readonly keyPrefix: string
  /** By the server's connection. */
  readonly shared: WeakMap<Redis, RateLimiterRedis>
}

/** Limits in use at a time; of more, those first seen begin again. */
const maxLimiters = 10_000

function createCounters(shared: SharedCounters | null) {
  const limiters = new Map<string, Limiter>()

  function limiterOf({ count, windowMs }: RateLimit): Limiter {
    const key = `${count}/${windowMs}`
    const known = limiters.get(key)
    if (known !== undefined) return known
    const [oldest] = limiters.keys()
    if (oldest !== undefined && limiters.size >= maxLimiters) limiters.delete(oldest)
    const limiter: Limiter = {
      memory: new RateLimiterMemory({ points: count, duration: windowMs / 1_000 }),
      keyPrefix: `hookline:rate:${key}`,
      shared: new WeakMap(),
    }
    limiters.set(key, limiter)
    return limiter
  }

  async function consume(id: string, limit: RateLimit): Promise<RateLimiterRes> {
    const limiter = limiterOf(limit)
    const server = shared?.of(`${limiter.keyPrefix}:${id}`) ?? null
    if (server === null) return await settled(limiter.memory.consume(id))
    try {
      const result = await settled(sharedLimiter(limiter, server.redis, limit).consume(id))
      server.worked()
      return result
    } catch (error) {
      server.failed(error)
      return await settled(limiter.memory.consume(id))
    }
  }

  return {
    async take(name: Count['name'], id: string, limit: RateLimit): Promise<Count> {
      const { consumedPoints, msBeforeNext } = await consume(id, limit)
      // A flood is turned away without asking Redis; the library then tells no count.
      const isAllowed = consumedPoints > 0 && consumedPoints <= limit.count
      const remaining = isAllowed ? limit.count - consumedPoints : 0
      return { name, limit, isAllowed, remaining, seconds: Math.max(1, Math.ceil(msBeforeNext / 1_000)) }
    },
  }
}

// The library rejects with the count where the limit is reached, and with an error where it could not count.
async function settled(consuming: Promise<RateLimiterRes>): Promise<RateLimiterRes> {
  try {
    return await consuming
  } catch (result) {
    if (result instanceof RateLimiterRes) return result
    throw result
  }
}

function sharedLimiter({ shared, keyPrefix }: Limiter, redis: Redis, { count, windowMs }: RateLimit): RateLimiterRedis {
  const known = shared.get(redis)
  if (known !== undefined) return known
  const limiter = new RateLimiterRedis({
    storeClient: redis,
    keyPrefix,
    points: count,
    duration: windowMs / 1_000,
    inMemoryBlockOnConsumed: count,
    customIncrTtlLuaScript: countInWindow,
  })
  shared.set(redis, limiter)
  return limiter
}

// As the library's own, but for windows in milliseconds: that one cuts them to whole seconds.
const countInWindow = `
local windowMs = math.floor(tonumber(ARGV[4]) * 1000 + 0.5)
redis.call('set', KEYS[1], 0, 'PX', windowMs, 'NX')
local consumed = redis.call('incrby', KEYS[1], ARGV[1])
local ttl = redis.call('pttl', KEYS[1])
if ttl == -1 then
  redis.call('pexpire', KEYS[1], windowMs)
  ttl = windowMs
end
return {consumed, ttl}`

/** @see draft-ietf-httpapi-ratelimit-headers, sections 3 and 4 */
function verdictOf(counts: readonly (Count | null)[]): RateVerdict {
  const known = counts.filter((count) => count !== null)
  const refusing = known.find(({ isAllowed }) => !isAllowed)
  return {
    isAllowed: refusing === undefined,
    retryAfterSeconds: refusing?.seconds ?? 0,
    headers: {
      'ratelimit-policy': known
        .map(({ name, limit }) => `"${name}";q=${limit.count};w=${windowSeconds(limit)}`)
        .join(', '),
      ratelimit: known.map(({ name, remaining, seconds }) => `"${name}";r=${remaining};t=${seconds}`).join(', '),
    },
  }
}

function windowSeconds({ windowMs }: RateLimit): number {
  return Math.ceil(windowMs / 1_000)
}

function registerMetrics(metrics: Registry, shared: SharedCounters): void {
  new Gauge({
    name: 'hookline_rate_limits_shared',
    help: '1 while requests are counted in Redis, for all processes together; 0 while each counts for itself.',
    registers: [metrics],
    collect() {
      this.set(shared.isShared() ? 1 : 0)
    },
  })
}
