import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { until } from '../support/until.ts'

test('a gateway whose embedded PostgreSQL was killed says so and ends with 1, and the next start has all data', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'hookline-dies-'))
  const gateway = await startGatewayProcess({ DATA_DIR: dataDir })
  const url = /curl .* http:\/\/localhost:\d+(\/in\/\S+)/.exec(gateway.output())?.[1] ?? ''
  expect((await fetch(gateway.baseUrl + url, { method: 'POST', body: 'one' })).status).toBe(202)

  const pidFile = await readFile(join(dataDir, 'postgres/data/postmaster.pid'), 'utf8')
  process.kill(Number(pidFile.split('\n')[0]), 'SIGKILL')
  await until(() => gateway.isRunning(), false)
  expect(await gateway.stop()).toBe(1)
  expect(gateway.output()).toMatch(/hookline: The embedded PostgreSQL ended by itself.*server\.log/)

  const again = await startGatewayProcess({ DATA_DIR: dataDir })
  const answer = await fetch(again.baseUrl + url, { method: 'POST', body: 'two' })
  expect(await answer.json()).toMatchObject({ sequence: 2 })
  expect(await again.stop()).toBe(0)
  await rm(dataDir, { recursive: true, force: true })
})
