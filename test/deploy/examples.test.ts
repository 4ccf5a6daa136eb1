import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { findFreePort } from '../../src/http/index.ts'
import { decodeCursor } from '../../src/live/index.ts'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { generateSecret } from '../../src/signatures/standard-webhooks.ts'
import { createTestDatabase } from '../support/database.ts'
import { type Example, startExample as spawnExample } from '../support/example.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { createEndpoint, createSource } from '../support/graphql-client.ts'
import { until } from '../support/until.ts'

const disposers: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const dispose of disposers.splice(0).reverse()) await dispose()
})

function startExample(file: string, args: string[], environment: Record<string, string>): Example {
  const example = spawnExample(file, args, environment)
  disposers.push(() => example.stop())
  return example
}

interface World {
  readonly gateway: GatewayProcess
  readonly token: string
  readonly source: { readonly id: string; readonly ingressUrl: string }
  /** Starts the gateway again on the same data and port. */
  restart(): Promise<void>
  send(body: string, to?: string): Promise<string>
}

async function startWorld(): Promise<World> {
  const database = await createTestDatabase()
  disposers.push(() => database.drop())
  const environment = {
    DATABASE_URL: database.databaseUrl,
    MASTER_KEYS: generateMasterKey(),
    ALLOWED_NETWORKS: '127.0.0.0/8',
    PORT: String(await findFreePort('127.0.0.1')),
  }
  let gateway = await startGatewayProcess(environment)
  disposers.push(() => gateway.stop())
  const token = gateway.adminToken()
  const source = await createSource(gateway.baseUrl, token, { name: 'orders' })
  return {
    gateway,
    token,
    source,
    async restart() {
      await gateway.stop()
      gateway = await startGatewayProcess(environment)
    },
    async send(body) {
      const response = await fetch(source.ingressUrl, { method: 'POST', body })
      return ((await response.json()) as { id: string }).id
    },
  }
}

test('the subscriber misses nothing and repeats nothing when the gateway or itself starts again', async () => {
  const world = await startWorld()
  const folder = await mkdtemp(join(tmpdir(), 'hookline-example-'))
  disposers.push(() => rm(folder, { recursive: true }))
  const environment = { HOOKLINE_URL: world.gateway.baseUrl, HOOKLINE_KEY: world.token }
  const subscribe = () => startExample('subscribe.ts', ['orders', join(folder, 'cursor')], environment)
  const messagesOf = ({ lines }: Example) => lines().filter((line) => /^\d/.test(line))

  const first = subscribe()
  await until(() => first.lines(), ['caught up, waiting'])
  const sent = [`1  ${await world.send('one')}  one`]
  await until(() => messagesOf(first), sent)
  await world.restart()
  sent.push(`2  ${await world.send('two')}  two`)
  await until(() => messagesOf(first), sent)
  // It keeps its place after it has printed: killed in between it would rightly print once more.
  await until(async () => decodeCursor(await readFile(join(folder, 'cursor'), 'utf8'))?.sequence, 2)
  await first.stop()
  const missed = `3  ${await world.send('three')}  three`

  const second = subscribe()
  await until(() => second.lines(), [missed, 'caught up, waiting'])
})

test('the receiver takes what is signed with its secret and refuses the rest', async () => {
  const world = await startWorld()
  const port = await findFreePort('127.0.0.1')
  const [secret, otherSecret] = [generateSecret(), generateSecret()]
  const receiver = startExample('receiver.ts', [String(port)], { WEBHOOK_SECRET: secret })
  await until(() => receiver.lines(), [`waiting for deliveries at http://localhost:${port}`])
  const url = `http://127.0.0.1:${port}/`
  await createEndpoint(world.gateway.baseUrl, world.token, { url, secret })
  const id = await world.send('{"order":1}')
  await until(() => receiver.lines().slice(1), [`${id} {"order":1}`])

  await createEndpoint(world.gateway.baseUrl, world.token, { url, secret: otherSecret })
  const second = await world.send('{"order":2}')
  await until(
    () => new Set(receiver.lines().slice(2, 4)),
    new Set([`${second} {"order":2}`, 'refused: No matching signature found']),
  )
  expect(receiver.lines()).not.toContain(`${second} again, nothing to do`)
})
