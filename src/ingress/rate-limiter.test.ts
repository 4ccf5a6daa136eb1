import { Registry } from 'prom-client'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { redisMissing, startTestRedis, type TestRedis } from '../../test/support/redis.ts'
import { until } from '../../test/support/until.ts'
import { newId } from '../kernel/ids.ts'
import { createLog } from '../kernel/log.ts'
import { createRateLimiter, type LimitedSource } from './rate-limiter.ts'

interface Limiting {
  readonly lines: string[]
  take(source: LimitedSource): ReturnType<ReturnType<typeof createRateLimiter>['take']>
  /** Whether limits hold over all processes at this moment. */
  isShared(): Promise<boolean>
}

function startLimiter(redisUrl: string | null): Limiting {
  const lines: string[] = []
  const metrics = new Registry()
  const destination = { write: (line: string) => void lines.push(JSON.parse(line).msg) }
  const limiter = createRateLimiter({
    redisUrl,
    metrics,
    log: createLog({ level: 'info', isPretty: false, destination }),
  })
  onTestFinished(() => limiter.close())
  return {
    lines,
    take: (source) => limiter.take(source),
    isShared: async () => (await metrics.metrics()).includes('\nhookline_rate_limits_shared 1'),
  }
}

const hour = 3_600_000

function newSource(limits: Partial<LimitedSource> = {}): LimitedSource {
  return { id: newId('src'), projectId: newId('prj'), rateLimit: null, projectRateLimit: null, ...limits }
}

async function countAllowed(limiter: Limiting, source: LimitedSource, requests: number): Promise<number> {
  const verdicts = await Promise.all(Array.from({ length: requests }, () => limiter.take(source)))
  return verdicts.filter(({ isAllowed }) => isAllowed).length
}

test('a source without limits takes everything and is told nothing', async () => {
  expect(await startLimiter(null).take(newSource())).toEqual({ isAllowed: true, retryAfterSeconds: 0, headers: {} })
})

test('requests over the limit are turned away, with when to come again', async () => {
  const limiter = startLimiter(null)
  const source = newSource({ rateLimit: { count: 2, windowMs: hour } })
  expect((await limiter.take(source)).headers).toEqual({
    'ratelimit-policy': '"source";q=2;w=3600',
    ratelimit: '"source";r=1;t=3600',
  })
  await limiter.take(source)
  const refused = await limiter.take(source)
  expect(refused).toMatchObject({ isAllowed: false, headers: { ratelimit: '"source";r=0;t=3600' } })
  expect(refused.retryAfterSeconds).toBe(3_600)
  expect((await limiter.take(newSource({ rateLimit: { count: 2, windowMs: hour } }))).isAllowed).toBe(true)
})

test('a new window lets requests in again, also one that is no whole number of seconds', async () => {
  const limiter = startLimiter(null)
  const source = newSource({ rateLimit: { count: 1, windowMs: 1_100 } })
  expect(await countAllowed(limiter, source, 3)).toBe(1)
  await until(async () => (await limiter.take(source)).isAllowed, true)
})

test('the limit of a project holds over its sources, and what a source turns away does not count', async () => {
  const limiter = startLimiter(null)
  const projectId = newId('prj')
  const projectRateLimit = { count: 5, windowMs: hour }
  const narrow = newSource({ projectId, projectRateLimit, rateLimit: { count: 2, windowMs: hour } })
  const open = newSource({ projectId, projectRateLimit })
  expect(await countAllowed(limiter, narrow, 10)).toBe(2)
  expect(await countAllowed(limiter, open, 10)).toBe(3)
  expect((await limiter.take(open)).headers.ratelimit).toMatch(/^"project";r=0;t=\d+$/)
})

test('a limit that is changed holds at once', async () => {
  const limiter = startLimiter(null)
  const source = newSource({ rateLimit: { count: 1, windowMs: hour } })
  expect(await countAllowed(limiter, source, 5)).toBe(1)
  expect(await countAllowed(limiter, { ...source, rateLimit: { count: 3, windowMs: hour } }, 5)).toBe(3)
})

describe.skipIf((await redisMissing()) !== null)('with Redis', () => {
  let redis: TestRedis
  beforeAll(async () => {
    redis = await startTestRedis()
  })
  afterAll(() => redis.stop())

  async function twoProcesses(): Promise<[Limiting, Limiting]> {
    const both: [Limiting, Limiting] = [startLimiter(redis.url), startLimiter(redis.url)]
    for (const process of both) await until(process.isShared, true)
    return both
  }

  test('a limit holds over all processes', async () => {
    const [first, second] = await twoProcesses()
    const source = newSource({ rateLimit: { count: 10, windowMs: hour } })
    const allowed = await Promise.all([countAllowed(first, source, 20), countAllowed(second, source, 20)])
    expect(allowed[0] + allowed[1]).toBe(10)
    expect(await second.take(source)).toMatchObject({ isAllowed: false, retryAfterSeconds: 3_600 })
  })

  test('windows that are no whole number of seconds hold as they are', async () => {
    const [first, second] = await twoProcesses()
    const source = newSource({ rateLimit: { count: 1, windowMs: 1_900 } })
    const startedMs = performance.now()
    expect((await first.take(source)).isAllowed).toBe(true)
    await until(async () => (await second.take(source)).isAllowed, true)
    expect(performance.now() - startedMs).toBeGreaterThan(1_850)
  })

  test('a Redis that hangs turns nobody away, takes no noticeable time, and is used again when it answers', async () => {
    const [limiter] = await twoProcesses()
    const source = newSource({ rateLimit: { count: 50, windowMs: hour } })
    redis.pause()
    const startedMs = performance.now()
    expect(await countAllowed(limiter, source, 20)).toBe(20)
    for (let request = 0; request < 20; request += 1) expect((await limiter.take(source)).isAllowed).toBe(true)
    expect(performance.now() - startedMs).toBeLessThan(1_000)
    expect(await countAllowed(limiter, source, 20)).toBe(10)
    redis.resume()
    await until(limiter.isShared, true)
    expect((await limiter.take(newSource({ rateLimit: { count: 1, windowMs: hour } }))).isAllowed).toBe(true)
    expect(limiter.lines.map((line) => line.split(':')[0])).toEqual(['Redis cannot be used', 'Redis is back'])
  })

  test('a Redis that dies turns nobody away, and is used again when it is back', async () => {
    const [limiter] = await twoProcesses()
    const source = newSource({ rateLimit: { count: 10, windowMs: hour } })
    await redis.kill()
    expect(await countAllowed(limiter, source, 20)).toBe(10)
    await redis.start()
    await until(limiter.isShared, true)
    expect((await limiter.take(source)).isAllowed).toBe(true)
  })

  test('without a Redis at the start each process counts for itself', async () => {
    await redis.kill()
    const limiter = startLimiter(redis.url)
    expect(await countAllowed(limiter, newSource({ rateLimit: { count: 3, windowMs: hour } }), 10)).toBe(3)
    await until(() => limiter.lines.length, 1)
    await redis.start()
    await until(limiter.isShared, true)
  })
})
