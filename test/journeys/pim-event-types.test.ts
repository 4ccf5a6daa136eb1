import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { startIngressGateway } from '../ingress/ingress-gateway.ts'
import { createTestDatabase } from '../support/database.ts'
import { until } from '../support/until.ts'

const root = join(import.meta.dirname, '../..')

/** The commands of a page, as they stand there. */
async function commandsOf(page: string): Promise<string[]> {
  const text = await readFile(join(root, page), 'utf8')
  return [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, commands = '']) => commands)
}

test('who follows the page on event types of a PIM system gets what it says', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const environment = { DATABASE_URL: database.databaseUrl, MASTER_KEYS: generateMasterKey() }
  const gateway = await startIngressGateway(environment)
  onTestFinished(() => gateway.stop())
  const { id } = await gateway.createSource({ name: 'pim' })
  const { token } = await gateway.mutate<{ token: string }>(
    'createApiKey',
    { name: 'pim', scopes: ['PUBLISH'] },
    '... on CreateApiKeyPayload { token }',
  )
  const run = async (commands: string) => {
    const hookline = `hookline() { '${process.execPath}' src/main.ts "$@"; }`
    const env = { ...environment, PATH: process.env.PATH, URL: gateway.process.baseUrl, SOURCE: 'pim', TOKEN: token }
    return (await promisify(execFile)('bash', ['-ec', `${hookline}\n${commands}`], { cwd: root, env })).stdout
  }

  const [all = '', some = '', publish = ''] = await commandsOf('examples/pim-event-types/README.md')
  expect(await run(all)).toMatch(
    /^Created 113, updated 0\.\n(?:.*\n)*product\.modify\tschema: FLAG\tA product was changed\.\n/,
  )
  expect(await run(some)).toMatch(/^Created 0, updated \d+\.\n$/)
  // A running gateway follows within a second.
  await until(async () => (await run(publish)).includes('"code":"SCHEMA_VIOLATED"'), true)
  const query = `query ($id: ID!) { source(by: { id: $id }) { messages(first: 1) { nodes { schemaViolation event { type } } } } }`
  const { source } = await gateway.query<{ source: { messages: { nodes: unknown[] } } }>(query, { id })
  expect(source.messages.nodes).toEqual([
    { schemaViolation: "the data must have required property 'locale'", event: { type: 'product.modify' } },
  ])
})
