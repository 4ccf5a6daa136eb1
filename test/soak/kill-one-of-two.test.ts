import { test } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import { redisMissing, startTestRedis } from '../support/redis.ts'
import { startScenario } from './scenario.ts'
import { rounds, timeoutMs } from './settings.ts'

const missing = await redisMissing()

test.skipIf(missing !== null)(
  `of two processes on one PostgreSQL and one Redis, killing either loses nothing${missing === null ? '' : ` (${missing})`}`,
  async () => {
    const [database, redis] = await Promise.all([createTestDatabase(), startTestRedis()])
    const shared = { DATABASE_URL: database.databaseUrl, REDIS_URL: redis.url }
    {
      await using scenario = await startScenario({ processes: [shared, shared], ingress: [0, 1] })
      for (let round = 0; round < rounds; round++) {
        await scenario.untilAcknowledgedMore(200)
        await scenario.killAndRestart(round % 2)
      }
      await scenario.untilAcknowledgedMore(100)
      await scenario.finish()
    }
    await redis.stop()
    await database.drop()
  },
  timeoutMs,
)
