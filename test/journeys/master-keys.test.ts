import { expect, test } from 'vitest'
import { runCli } from '../../src/cli/run-cli.ts'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { createTestDatabase } from '../support/database.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { createSource } from '../support/graphql-client.ts'

/** A command in this process, on the real application. */
async function hookline(argv: string[], environment: Record<string, string>) {
  const lines: string[] = []
  const code = await runCli(argv, {
    environment: { LOG_LEVEL: 'silent', ...environment },
    loadApp: () => import('../../src/app.ts'),
    print: (text) => lines.push(text),
    printError: (text) => lines.push(text),
    isTerminal: false,
  })
  return { code, text: lines.join('\n') }
}

test('a master key is changed while the gateway runs, and the old one can go', async () => {
  const { databaseUrl: DATABASE_URL, drop } = await createTestDatabase()
  const named = (id: string) => `${id}:${generateMasterKey().split(':')[1]}`
  const [before, after] = [named('before'), named('after')]
  const old = await startGatewayProcess({ DATABASE_URL, MASTER_KEYS: before })
  const token = old.adminToken()
  const { ingressUrl } = await createSource(old.baseUrl, token, { name: 'orders' })
  const path = new URL(ingressUrl).pathname
  await old.stop()

  const refused = await hookline(['serve'], { DATABASE_URL, MASTER_KEYS: after, PORT: '0' })
  expect(refused).toMatchObject({ code: 1, text: expect.stringContaining('master key "before"') })
  const tooSoon = await hookline(['secrets', 'rewrap'], { DATABASE_URL, MASTER_KEYS: after })
  expect(tooSoon).toMatchObject({ code: 1, text: expect.stringContaining('master key "before"') })

  const MASTER_KEYS = `${after},${before}`
  const between = await startGatewayProcess({ DATABASE_URL, MASTER_KEYS })
  const looked = await hookline(['secrets', 'rewrap', '--dry-run'], { DATABASE_URL, MASTER_KEYS })
  expect(looked).toMatchObject({ code: 0, text: expect.stringMatching(/^before\t\d+\ta former key$/) })
  const done = await hookline(['secrets', 'rewrap'], { DATABASE_URL, MASTER_KEYS })
  expect(done).toMatchObject({
    code: 0,
    text: expect.stringMatching(/^Sealed \d+ again\.\nafter\t\d+\tthe current key$/),
  })
  expect((await fetch(`${between.baseUrl}${path}`, { method: 'POST', body: '1' })).status).toBe(202)
  await between.stop()

  const last = await startGatewayProcess({ DATABASE_URL, MASTER_KEYS: after })
  expect((await fetch(`${last.baseUrl}${path}`, { method: 'POST', body: '2' })).status).toBe(202)
  await last.stop()
  await drop()
})
