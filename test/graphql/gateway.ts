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
import { createKeyedPool, createPool } from '../../src/db/pool.ts'
import { type Sql, sqlOfPool } from '../../src/db/sql.ts'
import { createDeliveries, createDeliveryStore, drainTask, maintainTask } from '../../src/deliveries/index.ts'
import { createProbeRoom } from '../../src/diagnosis/index.ts'
import {
  createEndpoint,
  createEndpointDirectory,
  createEndpointStore,
  type Endpoint,
  purgeEndpoint,
} from '../../src/endpoints/index.ts'
import { entities } from '../../src/entities.ts'
import { createEventSchemas, createEventTypeStore, registerEventTypes } from '../../src/event-types/index.ts'
import { createGraphql, createKeyWatch, type Graphql } from '../../src/graphql/index.ts'
import { createHttpServer } from '../../src/http/index.ts'
import { listenerRoutes } from '../../src/http/listeners-route.ts'
import { streamRoute } from '../../src/http/stream-route.ts'
import { createEventPublisher, createRateLimiter } from '../../src/ingress/index.ts'
import { type ApiKeyId, newId, type ProjectId, type SourceId } from '../../src/kernel/ids.ts'
import { createLog } from '../../src/kernel/log.ts'
import { createOriginCheck } from '../../src/kernel/origins.ts'
import { createListeners, createPlainListeners, type PlainListeners } from '../../src/listeners/index.ts'
import {
  createEpochs,
  createFeed,
  createMemoryBus,
  createSubscriptionLimit,
  sourceChannel,
} from '../../src/live/index.ts'
import {
  createMessageStore,
  createRecorder,
  fanOutTask,
  type NewMessage,
  type StoredMessage,
} from '../../src/messages/index.ts'
import { createOperationStore, runOperation } from '../../src/operations/index.ts'
import { createAddressGuard } from '../../src/outbound/address-guard.ts'
import { createOutbound } from '../../src/outbound/outbound.ts'
import { createTaskQueue } from '../../src/queue/index.ts'
import { createRefusalStore } from '../../src/refusals/index.ts'
import { insertRefusals } from '../../src/refusals/refusal-statements.ts'
import { retainTask } from '../../src/retention/index.ts'
import { createSealer, generateMasterKey, parseMasterKeys, type Sealer } from '../../src/secrets/index.ts'
import { createProject } from '../../src/sources/create-project.ts'
import {
  createSource,
  createSourceDirectory,
  createSourceStore,
  purgeSource,
  type Source,
} from '../../src/sources/index.ts'
import { createStatsFeed, createStatsStore } from '../../src/stats/index.ts'
import { createMessageStreams, createStreamTickets, type MessageStreams } from '../../src/streams/index.ts'
import { doneValue } from '../support/configuration.ts'
import { createTestDatabase } from '../support/database.ts'
import { newMessage } from '../support/recording.ts'
import { openPath, openSockets, type Path, recordStatements } from './instruments.ts'

/** The whole gateway but for its ingress, on a database of the test's own; GraphQL has a pool of its own. */
export interface Gateway {
  readonly baseUrl: string
  readonly graphql: Graphql
  /** Of `GET /stream`. */
  readonly streams: MessageStreams
  readonly sql: Sql
  readonly log: readonly Record<string, unknown>[]
  /** A line for each request that is over. */
  readonly accessLog: readonly Record<string, unknown>[]
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
  /** @returns the id of a request that the source turned away. */
  refusal(source: Source): Promise<string>
  /** Registers an event type. @returns its id. */
  eventType(name: string): Promise<string>
  /** Records a message as ingress does. */
  message(source: { readonly id: SourceId }, change?: Partial<NewMessage>): Promise<StoredMessage>
}

export interface GatewayOptions {
  readonly stalledMs?: number
  readonly heartbeatMs?: number
  /** Streams of a project at most. */
  readonly maxSubscriptions?: number
  readonly allowedOrigins?: readonly string[]
}

export async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const foundation = await openFoundation()
  const { sql, lines, statementsOf, path } = foundation
  const { graphql, streams, isAllowedOrigin, keys, statsFeed } = openGraphql(foundation, options)
  const access = openLog()
  const server = createHttpServer({
    routes: [...listenerRoutes(plainListeners(foundation)), streamRoute({ ...options, streams, isAllowedOrigin })],
    fallback: {
      template: '/graphql',
      methods: 'any',
      handle: graphql.handle,
    },
    upgrade: graphql.upgrade,
    host: '127.0.0.1',
    port: 0,
    version: '0',
    checks: [],
    log: access.log,
    metrics: foundation.metrics,
    drainTimeoutMs: 1_000,
  })
  const { port } = await server.listen()
  const sockets = openSockets(port)
  return {
    baseUrl: `http://127.0.0.1:${port}`,
    graphql,
    streams,
    sql,
    log: lines,
    accessLog: access.lines,
    newProject: () => newProject(foundation, foundation.recorder),
    statementsOf,
    connections: async () => sockets.size,
    database: path,
    async close() {
      streams.close()
      await Promise.all([server.drain(), graphql.close()])
      keys.close()
      statsFeed.close()
      await foundation.close()
    },
  }
}

function openLog() {
  const lines: Record<string, unknown>[] = []
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) }
  return { lines, log: createLog({ level: 'info', isPretty: false, destination }) }
}

type Foundation = Awaited<ReturnType<typeof openFoundation>>

/** What records, delivers and streams, and the pool that is GraphQL's own. */
async function openFoundation() {
  const database = await createTestDatabase()
  const { databaseUrl } = database
  const { log, lines } = openLog()
  const path = await openPath(databaseUrl)
  const poolOf = (url: string, max: number) =>
    createPool({ databaseUrl: url, max, applicationName: 'test', onError: () => undefined })
  const [pool, graphqlPool] = [poolOf(databaseUrl, 6), poolOf(path.databaseUrl, 4)]
  const statementsOf = recordStatements(graphqlPool)
  const orm = await createOrm({ pool, entities })
  const graphqlOrm = await createOrm({ pool: graphqlPool, entities })
  const sql = sqlOfPool(pool)
  const metrics = new Registry()
  const bus = createMemoryBus()
  const epochs = createEpochs({ sql, bus, log, pollMs: 100 })
  const sealer = newSealer()
  const guard = createAddressGuard({ allowedNetworks: [], allowsLoopback: true })
  const outbound = createOutbound({ guard })
  const queue = createTaskQueue({ pool, log, metrics, bus, graceMs: 500 })
  await queue.start([fanOutTask, drainTask, maintainTask, retainTask, runOperation, purgeSource, purgeEndpoint])
  const keyedPool = createKeyedPool({ databaseUrl, applicationName: 'test', onError: () => undefined })
  const parts = { sql, pool, keyedPool, orm, metrics, bus, epochs, sealer, guard, outbound, queue, log }
  const activeEndpoints = createEndpointDirectory(parts)
  const deliveries = createDeliveries({ ...parts, endpoints: activeEndpoints, instanceId: newId('run'), version: '0' })
  deliveries.start()
  const recorder = openRecorder(databaseUrl, parts)
  const schemas = createEventSchemas({ sql, epochs, log, metrics })
  const rateLimiter = createRateLimiter({ redisUrl: null, log, metrics })
  const directory = createSourceDirectory(parts)
  const publisher = createEventPublisher({ directory, recorder, schemas, rateLimiter })
  const feed = createFeed({ reader: createMessageStore(sql), bus, log, metrics })
  const listeners = createListeners({
    ...parts,
    orm: graphqlOrm,
    sql: sqlOfPool(graphqlPool),
    feed,
    messages: createMessageStore(sql),
    renewMs: { healthy: 500, unhealthy: 500 },
  })
  async function close(): Promise<void> {
    await listeners.close()
    feed.close()
    await recorder.close()
    await schemas.close()
    await deliveries.stop()
    await queue.stop()
    await outbound.close()
    epochs.close()
    await bus.close()
    await Promise.all([orm.close(), graphqlOrm.close()])
    await Promise.all([pool.end(), keyedPool.end(), graphqlPool.end()])
    await path.cut()
    await database.drop()
  }
  return {
    ...parts,
    activeEndpoints,
    lines,
    path,
    statementsOf,
    graphqlPool,
    graphqlOrm,
    recorder,
    publisher,
    feed,
    listeners,
    close,
  }
}

function openRecorder(
  databaseUrl: string,
  { queue, bus, metrics }: Pick<Foundation, 'queue' | 'bus' | 'metrics'>,
): ReturnType<typeof createRecorder> {
  const taskOf = (sourceId: SourceId) => ({ payload: { sourceId }, singletonKey: sourceId })
  return createRecorder({
    databaseUrl,
    fanOutStatement: (sourceIds) => queue.insertStatement(fanOutTask, sourceIds.map(taskOf)),
    onCommitted(heads) {
      for (const [sourceId, sequence] of heads) bus.publish(sourceChannel(sourceId), String(sequence))
      queue.wake(fanOutTask)
    },
    onError: () => undefined,
    metrics,
  })
}

function openGraphql({ graphqlPool, graphqlOrm, sql, ...parts }: Foundation, options: GatewayOptions) {
  const graphqlSql = sqlOfPool(graphqlPool)
  const publicUrl = 'https://hooks.example'
  const authenticator = createAuthenticator({ sql, epochs: parts.epochs })
  const sources = createSourceStore(graphqlOrm)
  const messages = createMessageStore(graphqlSql)
  const streamTickets = createStreamTickets(sql)
  const subscriptions = createSubscriptionLimit(options.maxSubscriptions)
  const isAllowedOrigin = createOriginCheck({ ...options, publicUrl })
  const keys = createKeyWatch({ ...parts, authenticator })
  const streaming = { ...parts, authenticator, streamTickets, sources, messages, keys, subscriptions }
  const streams = createMessageStreams(streaming)
  const stats = createStatsStore(graphqlSql)
  const statsFeed = createStatsFeed({ ...parts, store: stats, restMs: 50 })
  const graphql = createGraphql({
    ...streaming,
    stats,
    statsFeed,
    orm: graphqlOrm,
    stalledMs: options.stalledMs ?? 30_000,
    publicUrl,
    isAllowedOrigin,
    apiKeys: createApiKeyStore(graphqlOrm),
    endpoints: createEndpointStore(graphqlOrm),
    deliveries: createDeliveryStore(graphqlSql),
    probeRoom: createProbeRoom(),
    operations: createOperationStore(graphqlSql),
    refusals: createRefusalStore(graphqlSql),
    eventTypes: createEventTypeStore(graphqlOrm),
    defaultRetention: { maxMessages: null, maxBytes: null, maxAgeHours: 720 },
  })
  return { graphql, streams, isAllowedOrigin, keys, statsFeed }
}

function plainListeners({ sql, orm, epochs, listeners }: Foundation): PlainListeners {
  const authenticator = createAuthenticator({ sql, epochs })
  return createPlainListeners({
    authenticator,
    listeners,
    messages: createMessageStore(sql),
    sources: createSourceStore(orm),
  })
}

type Deps = Parameters<typeof createSource>[0] & Parameters<typeof createEndpoint>[0]

async function newProject(
  deps: Deps & { readonly sql: Sql },
  recorder: ReturnType<typeof createRecorder>,
): Promise<Project> {
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
    async refusal(source) {
      const refusal = { ...refusalOf(source), id: newId('ref'), refusedAt: new Date() }
      await insertRefusals(deps.sql, [refusal])
      return refusal.id
    },
    async eventType(name) {
      const [type] = doneValue(await registerEventTypes(deps, reach, { eventTypes: [{ name, schema: {} }] })).eventTypes
      return type?.id ?? ''
    },
    async message(source, change = {}) {
      const message = newMessage(source.id, { projectId: id, remoteAddress: '192.0.2.1', ...change })
      const recorded = await recorder.record({ message, claim: null })
      if (recorded.kind !== 'recorded' || recorded.sequence === null) throw new Error(`not recorded: ${recorded.kind}`)
      return { ...message, sequence: recorded.sequence, sizeBytes: 0 }
    },
  }
}

const refusalOf = ({ id: sourceId, projectId }: Source) => ({
  projectId,
  sourceId,
  reason: 'RATE_LIMITED' as const,
  detail: '',
  status: 429,
  method: 'POST',
  remoteAddress: '192.0.2.1',
  bodyBytes: 0,
  signature: null,
  signedContentDigest: null,
  clockSkewMs: null,
})

function newSealer(): Sealer {
  const parsed = parseMasterKeys(generateMasterKey())
  if (!parsed.ok) throw new Error(parsed.problems.join())
  return createSealer(parsed.keys)
}

/** A gateway that ends with the test. */
export async function gatewayOfTest(options: GatewayOptions = {}): Promise<Gateway> {
  const gateway = await startGateway(options)
  onTestFinished(() => gateway.close())
  return gateway
}
