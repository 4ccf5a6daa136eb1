import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import { redisMissing, startTestRedis } from '../support/redis.ts'
import { startScenario } from './scenario.ts'
import { rounds, timeoutMs } from './settings.ts'

const missing = await redisMissing()

// Side by side: in the end each waits for a dead process's lease to end.
test.concurrent(
  'a server that is killed under load loses no acknowledged message, streams none twice and delivers each',
  async ({ onTestFinished }) => {
    const dataDir = await mkdtemp(join(tmpdir(), 'hookline-soak-'))
    // Its PostgreSQL ends a moment after the process that was killed last.
    onTestFinished(() => rm(dataDir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))
    await using scenario = await startScenario({ processes: [{ DATA_DIR: dataDir }] })
    for (let round = 0; round < rounds; round++) {
      await scenario.untilAcknowledgedMore(200)
      await scenario.killAndRestart(0)
    }
    await scenario.untilAcknowledgedMore(100)
    await scenario.finish()
  },
  timeoutMs,
)

test.skipIf(missing !== null).concurrent(
  `workers that are killed in the middle of deliveries lose none of them${missing === null ? '' : ` (${missing})`}`,
  async ({ onTestFinished }) => {
    const [database, redis] = await Promise.all([createTestDatabase(), startTestRedis()])
    onTestFinished(async () => {
      await redis.stop()
      await database.drop()
    })
    const shared = { DATABASE_URL: database.databaseUrl, REDIS_URL: redis.url }
    await using scenario = await startScenario({
      processes: [
        { ...shared, ROLE: 'api' },
        { ...shared, ROLE: 'worker' },
        { ...shared, ROLE: 'worker' },
      ],
      receiverMs: 20,
    })
    for (let round = 0; round < rounds; round++) {
      await scenario.untilAcknowledgedMore(200)
      await scenario.killAndRestart(1 + (round % 2))
    }
    await scenario.finish()
  },
  timeoutMs,
)
