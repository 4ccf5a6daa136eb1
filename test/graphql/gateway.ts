import { subscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import pg, { type Pool, type PoolClient } from 'pg'
import { Registry } from 'prom-client'
import { onTestFinished } from 'vitest'
import {
  createApiKey,
  createApiKeyStore,
  createAuthenticator,
  revokeApiKey,
  type Scope,
  wholeProject,
} from '../../src/auth/index.ts'
import { createOrm } from '../../src/db/orm.ts'
import { createPool } from '../../src/db/pool.ts'
import { type Sql, sqlOfPool } from '../../src/db/sql.ts'
import { createDeliveries, createDeliveryStore, drainTask, maintainTask } from '../../src/deliveries/index.ts'
import {
  createEndpoint,
  createEndpointDirectory,
  createEndpointStore,
  type Endpoint,
  purgeEndpoint,
} from '../../src/endpoints/index.ts'
import { entities } from '../../src/entities.ts'
import { createGraphql, type Graphql } from '../../src/graphql/index.ts'
import { createHttpServer } from '../../src/http/index.ts'
import { type ApiKeyId, newId, type ProjectId, type SourceId } from '../../src/kernel/ids.ts'
import { createLog } from '../../src/kernel/log.ts'
import { createEpochs, createFeed, createMemoryBus, sourceChannel } from '../../src/live/index.ts'
import {
  createMessageStore,
  createRecorder,
  fanOutTask,
  type NewMessage,
  type StoredMessage,
} from '../../src/messages/index.ts'
import { createAddressGuard } from '../../src/outbound/address-guard.ts'
import { createOutbound } from '../../src/outbound/outbound.ts'
import { createProject } from '../../src/projects/create-project.ts'
import { createTaskQueue } from '../../src/queue/index.ts'
import { createSealer, generateMasterKey, parseMasterKeys, type Sealer } from '../../src/secrets/index.ts'
import { createSource, createSourceStore, purgeSource, type Source } from '../../src/sources/index.ts'
import { doneValue } from '../support/configuration.ts'
import { createTestDatabase } from '../support/database.ts'

/** The whole gateway but for its ingress, on a database of the test's own; GraphQL has a pool of its own. */
export interface Gateway {
  readonly baseUrl: string
  readonly graphql: Graphql
  readonly sql: Sql
  readonly log: readonly Record<string, unknown>[]
  newProject(): Promise<Project>
  /** The SQL statements that GraphQL runs meanwhile, without those that keep keys and streams up to date. */
  statementsOf(work: () => Promise<unknown>): Promise<string[]>
  /** GraphQL's own way to the database. */
  readonly database: Pick<Path, 'cut' | 'mend'>
  /** Open connections of clients. */
  connections(): Promise<number>
  close(): Promise<void>
}

export interface NewKey {
  readonly sourceIds?: readonly SourceId[]
  readonly expiresAt?: Date
}

export interface Project {
  readonly id: ProjectId
  key(scopes: readonly Scope[], options?: NewKey): Promise<{ id: ApiKeyId; token: string }>
  revoke(id: ApiKeyId): Promise<void>
  source(name?: string): Promise<Source>
  endpoint(url: string, sourceIds?: readonly SourceId[]): Promise<Endpoint>
  /** Records a message as ingress does. */
  message(source: { readonly id: SourceId }, change?: Partial<NewMessage>): Promise<StoredMessage>
}

export interface GatewayOptions {
  readonly stalledMs?: number
}

export async function startGateway({ stalledMs = 30_000 }: GatewayOptions = {}): Promise<Gateway> {
  const database = await createTestDatabase()
  const lines: Record<string, unknown>[] = []
  const log = createLog({
    level: 'info',
    isPretty: false,
    destination: { write: (line) => void lines.push(JSON.parse(line)) },
  })
  const path = await openPath(database.databaseUrl)
  const poolOf = (databaseUrl: string, max: number) =>
    createPool({ databaseUrl, max, applicationName: 'test', onError: () => undefined })
  const [pool, ownPool] = [poolOf(database.databaseUrl, 6), poolOf(path.databaseUrl, 4)]
  const statements = recordStatements(ownPool)
  const [orm, ownOrm] = [await createOrm({ pool, entities }), await createOrm({ pool: ownPool, entities })]
  const [sql, ownSql] = [sqlOfPool(pool), sqlOfPool(ownPool)]
  const metrics = new Registry()
  const bus = createMemoryBus()
  const epochs = createEpochs({ sql, bus, log, pollMs: 100 })
  const sealer = newSealer()
  const guard = createAddressGuard({ allowedNetworks: [], allowsLoopback: true })
  const queue = createTaskQueue({ pool, log, metrics, bus, graceMs: 500 })
  await queue.start([fanOutTask, drainTask, maintainTask, purgeSource, purgeEndpoint])
  const outbound = createOutbound({ guard })
  const directory = createEndpointDirectory({ sql, sealer, epochs })
  const instanceId = newId('run')
  const deliveries = createDeliveries({
    pool,
    queue,
    outbound,
    endpoints: directory,
    bus,
    log,
    metrics,
    instanceId,
    version: '0',
  })
  deliveries.start()
  const recorder = createRecorder({
    databaseUrl: database.databaseUrl,
    fanOutStatement: (ids) =>
      queue.insertStatement(
        fanOutTask,
        ids.map((id) => ({ payload: { sourceId: id }, singletonKey: id })),
      ),
    onCommitted(heads) {
      for (const [sourceId, sequence] of heads) bus.publish(sourceChannel(sourceId), String(sequence))
      queue.wake(fanOutTask)
    },
    onError: () => undefined,
    metrics,
  })
  const feed = createFeed({ reader: createMessageStore(sql), bus, log, metrics })
  const graphql = createGraphql({
    orm: ownOrm,
    epochs,
    sealer,
    guard,
    queue,
    bus,
    feed,
    log,
    stalledMs,
    publicUrl: 'https://hooks.example',
    authenticator: createAuthenticator({ sql, epochs }),
    apiKeys: createApiKeyStore(ownOrm),
    sources: createSourceStore(ownOrm),
    endpoints: createEndpointStore(ownOrm),
    messages: createMessageStore(ownSql),
    deliveries: createDeliveryStore(ownSql),
  })
  const server = createHttpServer({
    routes: [],
    fallback: {
      template: '/graphql',
      methods: 'any',
      handle: ({ request, response }) => graphql.handle(request, response),
    },
    upgrade: graphql.upgrade,
    host: '127.0.0.1',
    port: 0,
    version: '0',
    checks: [],
    log: createLog({ level: 'silent', isPretty: false }),
    metrics,
    drainTimeoutMs: 1_000,
  })
  const { port } = await server.listen()
  const sockets = openSockets(port)
  const deps = { orm, sql, epochs, sealer, guard }
  return {
    baseUrl: `http://127.0.0.1:${port}`,
    graphql,
    sql,
    log: lines,
    newProject: () => newProject(deps, recorder),
    statementsOf: statements,
    connections: async () => sockets.size,
    database: path,
    async close() {
      await Promise.all([server.drain(), graphql.close()])
      feed.close()
      await recorder.close()
      await deliveries.stop()
      await queue.stop()
      await outbound.close()
      epochs.close()
      await bus.close()
      await Promise.all([orm.close(), ownOrm.close()])
      await Promise.all([pool.end(), ownPool.end()])
      await path.cut()
      await database.drop()
    },
  }
}

type Deps = Parameters<typeof createSource>[0] & Parameters<typeof createEndpoint>[0]

async function newProject(deps: Deps, recorder: ReturnType<typeof createRecorder>): Promise<Project> {
  const { id } = doneValue(await createProject(deps, { name: newId('prj').replace('_', '-') }))
  const reach = wholeProject(id)
  return {
    id,
    async key(scopes, options = {}) {
      const created = doneValue(await createApiKey(deps, reach, { name: 'test', scopes, ...options }))
      return { id: created.apiKey.id, token: created.token }
    },
    async revoke(keyId) {
      doneValue(await revokeApiKey(deps, reach, { id: keyId }))
    },
    source: async (name = newId('src').replace('_', '-')) => doneValue(await createSource(deps, reach, { name })),
    endpoint: async (url, sourceIds) =>
      doneValue(await createEndpoint(deps, reach, { url, sourceIds: sourceIds ?? null })).endpoint,
    async message(source, change = {}) {
      const message = { ...newMessage(id, source.id), ...change }
      const recorded = await recorder.record({ message, claimKey: null })
      if (recorded.kind !== 'recorded' || recorded.sequence === null) throw new Error(`not recorded: ${recorded.kind}`)
      return { ...message, sequence: recorded.sequence, sizeBytes: 0 }
    },
  }
}

function newMessage(projectId: ProjectId, sourceId: SourceId): NewMessage {
  return {
    id: newId('msg'),
    projectId,
    sourceId,
    receivedAt: new Date(),
    method: 'POST',
    path: null,
    query: null,
    headersText: '[["content-type","application/json"]]',
    contentType: 'application/json',
    remoteAddress: '192.0.2.1',
    body: Buffer.from('{"hello":"world"}'),
    eventId: null,
    eventSource: null,
    eventType: null,
    eventSubject: null,
    eventTime: null,
  }
}

function newSealer(): Sealer {
  const parsed = parseMasterKeys(generateMasterKey())
  if (!parsed.ok) throw new Error(parsed.problems.join())
  return createSealer(parsed.keys)
}

/** Hears every statement of a pool's connections. */
function recordStatements(pool: Pool): Gateway['statementsOf'] {
  let heard: string[] = []
  pool.on('connect', (client: PoolClient) => {
    const query = client.query.bind(client) as (...args: unknown[]) => unknown
    const recorded = (...args: unknown[]) => {
      const [first] = args
      heard.push(typeof first === 'string' ? first : String((first as { text?: string }).text))
      return query(...args)
    }
    client.query = recorded as typeof client.query
  })
  return async (work) => {
    heard = []
    await work()
    return heard
  }
}

/** A gateway that ends with the test. */
export async function gatewayOfTest(options: GatewayOptions = {}): Promise<Gateway> {
  const gateway = await startGateway(options)
  onTestFinished(() => gateway.close())
  return gateway
}

/** The server's side of every connection that is open. */
function openSockets(port: number): ReadonlySet<Socket> {
  const open = new Set<Socket>()
  subscribe('net.server.socket', (message) => {
    const { socket } = message as { socket: Socket }
    if (socket.localPort !== port) return
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  return open
}

interface Path {
  readonly databaseUrl: string
  /** Breaks what is open, and lets nothing be opened. */
  cut(): Promise<void>
  mend(): Promise<void>
}

/** A way to the database that can be cut. */
async function openPath(databaseUrl: string): Promise<Path> {
  const { host, port } = new pg.Client({ connectionString: databaseUrl })
  const ends = new Set<Socket>()
  const server = createServer((near) => {
    const far = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host)
    for (const [end, other] of [
      [near, far],
      [far, near],
    ] as const) {
      ends.add(end)
      end.on('error', () => other.destroy())
      end.once('close', () => ends.delete(end))
      end.pipe(other)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port: nearPort } = server.address() as AddressInfo
  const url = new URL(databaseUrl)
  url.search = ''
  url.host = `127.0.0.1:${nearPort}`
  return {
    databaseUrl: url.href,
    async cut() {
      const closed = once(server, 'close')
      server.close()
      for (const end of ends) end.destroy()
      await closed
    },
    async mend() {
      server.listen(nearPort, '127.0.0.1')
      await once(server, 'listening')
    },
  }
}
