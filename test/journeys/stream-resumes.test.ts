import { expect, onTestFinished, test } from 'vitest'
import { findFreePort } from '../../src/http/index.ts'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { createTestDatabase } from '../support/database.ts'
import { openEventStream } from '../support/event-stream.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { createSource } from '../support/graphql-client.ts'
import { until } from '../support/until.ts'

interface Seen {
  readonly source: string
  readonly sequence: number
  readonly id: string
}

/** Reads as an EventSource does: when its connection ends it comes again, with the id of the last event. */
function readOn(url: string, headers: Record<string, string>) {
  const seen: Seen[] = []
  let [lastEventId, connections, isClosed] = ['', 0, false]

  async function readOnce(): Promise<void> {
    const stream = await openEventStream(
      url,
      lastEventId === '' ? headers : { ...headers, 'last-event-id': lastEventId },
    )
    if (stream.response.status !== 200) throw new Error(`refused with ${stream.response.status}`)
    connections += 1
    for (let event = await stream.next(); event !== null && !isClosed; event = await stream.next()) {
      lastEventId = event.lastEventId
      if (event.type === 'gap') throw new Error('a gap')
      if (event.type !== 'message') continue
      const { source, sequence, id } = event.data
      seen.push({ source: source.name, sequence, id })
    }
    stream.close()
  }

  void (async () => {
    while (!isClosed) {
      await readOnce().catch(() => undefined)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })()
  onTestFinished(() => {
    isClosed = true
  })
  return { seen, connections: () => connections }
}

test('a reader of two sources misses nothing, sees nothing twice and nothing out of order while the gateway is killed thrice', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const environment = {
    DATABASE_URL: database.databaseUrl,
    MASTER_KEYS: generateMasterKey(),
    PORT: String(await findFreePort('127.0.0.1')),
  }
  let gateway = await startGatewayProcess(environment)
  onTestFinished(async () => void (await gateway.stop()))
  const { baseUrl } = gateway
  const token = gateway.adminToken()
  const names = ['orders', 'stock']
  const sources = await Promise.all(names.map((name) => createSource(baseUrl, token, { name })))
  const reader = readOn(`${baseUrl}/stream?source=orders&source=stock`, { authorization: `Bearer ${token}` })
  await until(() => reader.connections(), 1)

  let isPosting = true
  const stored: string[] = []
  const posting = sources.map(async ({ ingressUrl }) => {
    for (let n = 0; isPosting; n += 1) {
      const answer = await fetch(ingressUrl, { method: 'POST', body: String(n) }).catch(() => null)
      if (answer?.status === 202) stored.push(((await answer.json()) as { id: string }).id)
      else await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })
  for (let kill = 1; kill <= 3; kill += 1) {
    const seenBefore = reader.seen.length
    await until(() => reader.seen.length > seenBefore + 50, true)
    await gateway.stop('SIGKILL')
    gateway = await startGatewayProcess(environment)
    await until(() => reader.connections(), kill + 1)
  }
  isPosting = false
  await Promise.all(posting)

  const ids = () => new Set(reader.seen.map(({ id }) => id))
  await until(() => stored.filter((id) => !ids().has(id)), [])
  for (const name of names) {
    const sequences = reader.seen.filter(({ source }) => source === name).map(({ sequence }) => sequence)
    expect(sequences).toEqual(Array.from(sequences, (_, index) => index + 1))
  }
  expect(reader.connections()).toBe(4)
})
