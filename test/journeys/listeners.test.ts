import { createClient } from 'graphql-ws'
import { expect, onTestFinished, test } from 'vitest'
import WebSocket from 'ws'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { createTestDatabase } from '../support/database.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { createSource, graphql } from '../support/graphql-client.ts'
import { redisMissing, startTestRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

interface Event {
  readonly __typename: string
  readonly cursor: string
  readonly lease?: string
  readonly message?: { readonly sequence: number }
}

const streamQuery = `subscription {
  messageReceivedByListener(name: "worker") {
    __typename cursor
    ... on ListenerLeased { lease }
    ... on MessageReceived { message { sequence } }
  }
}`

const acknowledgeQuery = `mutation ($input: AcknowledgeMessagesInput!) {
  acknowledgeMessages(input: $input) { __typename ... on UserError { code } }
}`

/** Two processes on one database, and a listener of the first one's admin key. */
async function startWorld(environment: Record<string, string> = {}) {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const shared = { DATABASE_URL: database.databaseUrl, MASTER_KEYS: generateMasterKey(), ...environment }
  const processes: GatewayProcess[] = []
  while (processes.length < 2) {
    const process = await startGatewayProcess(shared)
    onTestFinished(async () => void (await process.stop('SIGKILL')))
    processes.push(process)
  }
  const [first] = processes as [GatewayProcess]
  const token = first.adminToken()
  const source = await createSource(first.baseUrl, token, { name: 'orders' })
  const { createListener } = await graphql<{ createListener: { listener: { id: string } } }>(
    first.baseUrl,
    token,
    `mutation ($id: ID!) {
      createListener(input: { sourceId: $id, name: "worker" }) { ... on ListenerPayload { listener { id } } }
    }`,
    { id: source.id },
  )
  const { id: listenerId } = createListener.listener
  return {
    processes,
    token,
    async post(at: GatewayProcess, body: string): Promise<boolean> {
      const path = new URL(source.ingressUrl).pathname
      const response = await fetch(at.baseUrl + path, { method: 'POST', body }).catch(() => null)
      return response?.status === 202
    },
    async acknowledge(at: GatewayProcess, cursor: string, lease: string | null): Promise<string> {
      const answer = await graphql<{ acknowledgeMessages: { __typename: string; code?: string } }>(
        at.baseUrl,
        token,
        acknowledgeQuery,
        { input: { listenerId, cursor, lease } },
      )
      return answer.acknowledgeMessages.code ?? answer.acknowledgeMessages.__typename
    },
    async state(at: GatewayProcess): Promise<string> {
      const query = '{ listener(name: "worker") { state } }'
      return (await graphql<{ listener: { state: string } }>(at.baseUrl, token, query)).listener.state
    },
    stream(at: GatewayProcess) {
      const client = createClient({
        url: `${at.baseUrl.replace('http', 'ws')}/graphql`,
        webSocketImpl: WebSocket,
        connectionParams: { authorization: `Bearer ${token}` },
        retryAttempts: 0,
      })
      const results = client.iterate<{ messageReceivedByListener: Event }>({ query: streamQuery })
      onTestFinished(() => client.terminate())
      return {
        /** @throws the codes of errors; 'ended' when the stream has. */
        async next(): Promise<Event> {
          const result = await results.next().catch(() => ({ done: true, value: undefined }) as const)
          if (result.done || result.value === undefined) throw new Error('ended')
          const { data, errors } = result.value
          if (errors !== undefined) throw new Error(errors.map(({ extensions }) => String(extensions?.code)).join())
          if (!data) throw new Error('no data')
          return data.messageReceivedByListener
        },
        close: () => client.terminate(),
      }
    },
  }
}

const missing = await redisMissing()

test.each(['without Redis', 'with Redis'])(
  'a stream at one process takes the listener from one at another, %s',
  async (how) => {
    if (how === 'with Redis' && missing !== null) return
    const redis = how === 'with Redis' ? await startTestRedis() : null
    if (redis !== null) onTestFinished(redis.stop)
    const world = await startWorld(redis === null ? {} : { REDIS_URL: redis.url })
    const [here, there] = world.processes as [GatewayProcess, GatewayProcess]
    await world.post(here, 'one')
    await world.post(here, 'two')
    const older = world.stream(here)
    const { lease: olderLease = '' } = await older.next()
    const one = await older.next()
    // Another process than the one that streams takes acknowledgements, too.
    expect(await world.acknowledge(there, one.cursor, olderLease)).toBe('ListenerPayload')
    const two = await older.next()
    const newer = world.stream(there)
    const leased = await newer.next()
    expect(leased.cursor).toBe(one.cursor)
    expect(await world.acknowledge(here, two.cursor, olderLease)).toBe('LEASE_LOST')
    expect(await older.next()).toMatchObject({ __typename: 'CaughtUp' })
    await expect(older.next()).rejects.toThrow('LISTENER_TAKEN')
    expect((await newer.next()).message?.sequence).toBe(2)
    expect(await world.acknowledge(here, two.cursor, leased.lease ?? '')).toBe('ListenerPayload')
  },
)

test('a listener whose process was killed goes on at another one at once, where it stood', async () => {
  const world = await startWorld()
  const [here, there] = world.processes as [GatewayProcess, GatewayProcess]
  for (const body of ['one', 'two', 'three']) await world.post(here, body)
  const stream = world.stream(here)
  const { lease = '' } = await stream.next()
  const one = await stream.next()
  const two = await stream.next()
  expect(await world.acknowledge(here, one.cursor, lease)).toBe('ListenerPayload')
  await here.stop('SIGKILL')
  // What had come in before may still be read.
  await expect(
    (async () => {
      for (;;) await stream.next()
    })(),
  ).rejects.toThrow('ended')
  expect(await world.state(there)).toBe('LIVE')
  // What was sent before the crash counts until another stream takes the listener.
  expect(await world.acknowledge(there, two.cursor, lease)).toBe('ListenerPayload')
  const next = world.stream(there)
  const leased = await next.next()
  expect(leased.cursor).toBe(two.cursor)
  expect((await next.next()).message?.sequence).toBe(3)
  expect(await world.acknowledge(there, two.cursor, lease)).toBe('LEASE_LOST')
  next.close()
  await until(() => world.state(there), 'WAITING')
})
