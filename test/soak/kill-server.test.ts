import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'vitest'
import { startScenario } from './scenario.ts'
import { rounds, timeoutMs } from './settings.ts'

test(
  'a server that is killed under load loses no acknowledged message, streams none twice and delivers each',
  async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'hookline-soak-'))
    {
      await using scenario = await startScenario({ processes: [{ DATA_DIR: dataDir }], ingress: [0] })
      for (let round = 0; round < rounds; round++) {
        await scenario.untilAcknowledgedMore(200)
        await scenario.killAndRestart(0)
      }
      await scenario.untilAcknowledgedMore(100)
      await scenario.finish()
    }
    // Its PostgreSQL ends a moment after the process that was killed last.
    await rm(dataDir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  },
  timeoutMs,
)
