import { test } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import { startScenario } from './scenario.ts'
import { rounds, timeoutMs } from './settings.ts'

test(
  'workers that are killed in the middle of deliveries lose none of them',
  async () => {
    const database = await createTestDatabase()
    const shared = { DATABASE_URL: database.databaseUrl }
    {
      await using scenario = await startScenario({
        processes: [
          { ...shared, ROLE: 'api' },
          { ...shared, ROLE: 'worker' },
          { ...shared, ROLE: 'worker' },
        ],
        ingress: [0],
        receiverMs: 20,
      })
      for (let round = 0; round < rounds; round++) {
        await scenario.untilAcknowledgedMore(200)
        await scenario.killAndRestart(1 + (round % 2))
      }
      await scenario.finish()
    }
    await database.drop()
  },
  timeoutMs,
)
