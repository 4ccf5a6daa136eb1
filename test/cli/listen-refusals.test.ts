import { createServer } from 'node:http'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { runCli } from '../../src/cli/run-cli.ts'
import { graphql } from '../support/graphql-client.ts'
import { hookline, type ListenWorld, startListenWorld } from './listen-world.ts'

let world: ListenWorld
let environment: Record<string, string>

beforeAll(async () => {
  world = await startListenWorld()
  environment = { HOOKLINE_URL: world.baseUrl, HOOKLINE_KEY: world.token }
  await world.createSource('shop')
  await world.createSource('stock')
})
afterAll(() => world.close())

const unknownKey = `hk_${'0'.repeat(26)}_${'x'.repeat(43)}`

test.each([
  ['an unknown key', ['shop', '--key', unknownKey], /does not take this API key: it is unknown, expired or revoked\./],
  ['no key', ['shop', '--key', ''], /the key holds spaces or other characters/],
  [
    'an unknown source',
    ['shpo'],
    /There is no source "shpo" that the key sees\. It sees: inbox, shop, stock, system\./,
  ],
  ['an unknown id', [`src_${'0'.repeat(26)}`], /src_0+/],
  [
    'no gateway',
    ['shop', '--url', 'http://127.0.0.1:2'],
    /http:\/\/127\.0\.0\.1:2 cannot be reached: connect ECONNREFUSED/,
  ],
  ['a filter of another shape', ['shop', '--filter', '{"kind":"order"}'], /"kind"/],
  ['a filter that cannot be', ['shop', '--filter', '{"types":[]}'], /types/],
])('%s is told in one sentence, on standard error, with a code that is not 0', async (_name, args, sentence) => {
  const listener = hookline(['listen', ...args], environment)
  const { code } = await listener.exited
  expect([1, 2]).toContain(code)
  expect(listener.errors()).toMatch(sentence)
  expect(listener.errors()).toMatch(/^hookline: [^\n]+\n$/)
  expect(listener.output()).toBe('')
})

test.each([
  [[], '<source> must be given'],
  [['shop', '--forward', 'ftp://localhost'], '--forward is "ftp://localhost"'],
  [['shop', '--forward', 'http://a:b@localhost'], '--forward cannot hold a user and a password'],
  [['shop', '--filter', '{'], '--filter is no JSON'],
  [['shop', '--filter', '[]'], '--filter is no object'],
  [['shop', '--filter', '{}', '--type', 'a'], '--filter and --type exclude each other'],
  [['shop', '--type', 'a,,b'], '--type is "a,,b"'],
  [['shop', '--since', 'yesterday'], '--since is "yesterday"'],
  [['shop', '--since', '2030-02-31T00:00:00Z'], '--since is "2030-02-31T00:00:00Z"'],
  [['shop', '--print', 'all'], '--print is "all"'],
  [['shop', '--print', 'body', '--json'], '--json prints everything'],
  [['shop', '--exit-after', '0'], '--exit-after is "0"'],
  [['shop', '--json=yes'], 'json'],
  [['shop', '--url', 'localhost'], '"localhost" is no address of a gateway'],
  [['shop', '--follow'], "unknown option '--follow'"],
] as const)('%j does not fit: exit code 2 and the way to help', async (args, sentence) => {
  const { code, errors } = await runHere(['listen', ...args])
  expect(code).toBe(2)
  expect(errors).toContain(sentence)
  expect(errors).toContain('Try: hookline listen --help')
})

/** Within this process: what ends before a gateway is asked needs none of its own. */
async function runHere(args: readonly string[]): Promise<{ code: number; output: string; errors: string }> {
  const said = { output: '', errors: '' }
  const code = await runCli(args, {
    environment: { HOME: '/nonexistent' },
    loadApp: () => Promise.reject(new Error('not needed')),
    print: (text) => {
      said.output += `${text}\n`
    },
    printError: (text) => {
      said.errors += `${text}\n`
    },
    isTerminal: false,
  })
  return { code, ...said }
}

test('a key without READ finds a source by its id alone, and says so', async () => {
  const { createApiKey } = await graphql<{ createApiKey: { token: string } }>(
    world.baseUrl,
    world.token,
    'mutation { createApiKey(input: { name: "listener", scopes: [LISTEN] }) { ... on CreateApiKeyPayload { token } } }',
  )
  const listener = hookline(['listen', 'shop'], { ...environment, HOOKLINE_KEY: createApiKey.token })
  expect((await listener.exited).code).toBe(1)
  expect(listener.errors()).toContain('give the id (src_…), or a key that has READ as well')
})

test('a server that is no gateway is told as such', async () => {
  const server = createServer((_, response) => response.writeHead(404).end('not here'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  const listener = hookline(['listen', 'shop', '--url', url], environment)
  expect((await listener.exited).code).toBe(1)
  expect(listener.errors()).toContain(`${url} does not answer like a Hookline gateway (HTTP 404)`)
})

test('--help documents the shape of the JSON lines', async () => {
  const help = await runHere(['listen', '--help'])
  expect(help.code).toBe(0)
  for (const field of ['"kind":"message"', '"kind":"gap"', '"forward":{"status":204|null']) {
    expect(help.output).toContain(field)
  }
})
