import type { Registry } from 'prom-client'
import { createApiKeyStore, createAuthenticator } from './auth/index.ts'
import { baseUrlOf, type Config } from './config/index.ts'
import { registerMasterKeys } from './db/master-keys.ts'
import { type Database, type DatabaseOptions, openDatabase } from './db/open-database.ts'
import type { Sql } from './db/sql.ts'
import { createDeliveries, createDeliveryStore, releaseAllLeases } from './deliveries/index.ts'
import { createProbeRoom } from './diagnosis/index.ts'
import { createEndpointDirectory, createEndpointStore, type EndpointDirectory } from './endpoints/index.ts'
import { entities } from './entities.ts'
import { createEventSchemas, createEventTypeStore } from './event-types/index.ts'
import { findOpenSource, prepareFirstStart } from './first-start.ts'
import { createGraphql, createKeyWatch } from './graphql/index.ts'
import { eventsRoute } from './http/events-route.ts'
import { createHttpServer, createMetrics, findFreePort, type HttpServerOptions } from './http/index.ts'
import { ingressRoutes } from './http/ingress-route.ts'
import { listenerRoutes } from './http/listeners-route.ts'
import { streamRoute } from './http/stream-route.ts'
import {
  createBodyBudget,
  createEventIngress,
  createEventPublisher,
  createIngress,
  createRateLimiter,
  tellingOfLimits,
} from './ingress/index.ts'
import { newId, type SourceId } from './kernel/ids.ts'
import type { Logger } from './kernel/log.ts'
import { createOriginCheck } from './kernel/origins.ts'
import { version } from './kernel/version.ts'
import { createLifecycle, createStopClock, type Lifecycle, type StopClock } from './lifecycle.ts'
import { createListeners, createPlainListeners } from './listeners/index.ts'
import {
  type Bus,
  createEpochs,
  createFeed,
  createMemoryBus,
  createRedisBus,
  createSubscriptionLimit,
  type Epochs,
  sourceChannel,
} from './live/index.ts'
import { createMessageStore, createRecorder, fanOutTask, type Recorder } from './messages/index.ts'
import { createOperationStore } from './operations/index.ts'
import { type AddressGuard, createAddressGuard } from './outbound/address-guard.ts'
import { createOutbound, type Outbound } from './outbound/outbound.ts'
import { createTaskQueue, type TaskQueue } from './queue/index.ts'
import { createReadiness } from './readiness.ts'
import { createRefusalLog, createRefusalStore } from './refusals/index.ts'
import type { RunningApp } from './running-app.ts'
import { createSealer, type MasterKey, type Sealer } from './secrets/index.ts'
import { loadMasterKeyFile } from './secrets/master-key-file.ts'
import { createSourceDirectory, createSourceStore, ensureSystemSources, ingressUrlOf } from './sources/index.ts'
import { createGauges, createStatsFeed, createStatsStore } from './stats/index.ts'
import { createMessageStreams, createStreamTickets } from './streams/index.ts'
import {
  createLimitWatch,
  createRecordingNotices,
  createRecordSystemEvents,
  recordSystemEvents,
} from './system-events/index.ts'
import { tasks } from './tasks.ts'
import { createToolbox, type Toolbox } from './toolbox.ts'

/**
 * THE COMPOSITION ROOT: from a configuration to a running gateway. The only file that constructs services.
 *
 * One webhook's way through it:
 *   1. http/server        one server, REST routes before GraphQL
 *   2. http/ingress-route  `/in/<token>`, `/q/<project>/<source>`; http/events-route `/events/<source>`
 *   3. ingress            source, sender's address, rate, size, signature, what event it is
 *   4. messages/recorder  one transaction for all that wait; then 202
 *   5. live/bus           wake-up: 'this source now reaches sequence N'
 *   6. live/feed          backfill, cutover, stream ▸ graphql ▸ WebSocket or SSE; http/stream-route `/stream`
 *   7. queue ▸ deliveries/fan-out   one delivery per endpoint that wants the message
 *   8. queue ▸ deliveries/drain ▸ outbound ▸ settle   attempts, until delivered or given up
 *   9. queue ▸ system-events   what the gateway has to tell, as messages by the same recorder
 *
 * @throws CodedError that says what to do next; nothing is left running.
 */
export async function startApp(config: Config, log: Logger): Promise<RunningApp> {
  const lifecycle = createLifecycle()
  try {
    return await compose(config, log, lifecycle)
  } catch (error) {
    return await lifecycle.abandon(error)
  }
}

/**
 * Opens the database alone, for commands; with the embedded PostgreSQL also while a gateway runs on it.
 *
 * @throws CodedError that says what to do next.
 */
export async function openToolbox(config: Config, log: Logger): Promise<Toolbox> {
  // Opening migrates, so there is nothing left for `migrate` to do.
  const database = await openDatabase({ ...databaseOptions(config, log), joinsRunning: true })
  const deps = {
    orm: database.orm,
    sql: database.sql,
    epochs: { changed: () => undefined },
    loadMasterKeys: () => loadMasterKeys(config),
  }
  return { ...createToolbox(deps), migrate: async () => undefined, close: database.close }
}

/** The GraphQL schema in SDL. Needs no database. */
export async function printSchema(): Promise<string> {
  const { printSchemaText } = await import('./graphql/print-schema.ts')
  return printSchemaText()
}

async function compose(config: Config, log: Logger, lifecycle: Lifecycle): Promise<RunningApp> {
  // Addresses are handed out before the server listens, so a free port is chosen first.
  const port = config.port === 0 ? await findFreePort(config.host) : config.port
  const base = baseUrlOf(config, port)
  const stopClock = createStopClock(config.shutdownTimeoutMs)
  const foundation = await openFoundation({ config, log, lifecycle, stopClock })
  const { orm, sql, sealer, epochs } = { ...foundation, ...foundation.database }
  const isApi = config.role !== 'worker'
  if (config.role !== 'api') startWorker(config, foundation, lifecycle)
  const edge = isApi ? openEdge(config, foundation, { base, lifecycle }) : null
  const readiness = createReadiness(sql)
  const server = createHttpServer({
    routes: [],
    ...edge,
    host: config.host,
    port,
    tls: config.tls,
    trustedProxies: config.trustedProxies,
    version,
    checks: readiness.checks,
    log,
    metrics: foundation.metrics,
    drainTimeoutMs: config.shutdownTimeoutMs,
  })
  lifecycle.defer('the HTTP server', async () => {
    // Subscriptions do not end by themselves: the drain waits for them to be completed.
    await Promise.all([server.drain(), edge?.close()])
  })
  await server.listen()
  // Not before: a start that finds its port taken must not use up the first key, whose token is told once.
  const firstAdminToken = isApi ? await prepareFirstStart({ orm, sql, sealer, epochs }) : null
  const source = isApi ? await findOpenSource(orm) : null
  readiness.started()
  return {
    urls: { base, graphiql: isApi ? `${base}/graphql` : null },
    firstAdminToken,
    exampleIngressUrl: source === null ? null : ingressUrlOf({ sealer, publicUrl: base }, source),
    notices: noticesOf(config),
    broken: foundation.database.embedded?.died ?? new Promise(() => {}),
    async stop() {
      stopClock.start()
      await lifecycle.close()
    },
  }
}

/** What both roles stand on. */
interface Foundation {
  readonly log: Logger
  readonly metrics: Registry
  readonly database: Database
  readonly sealer: Sealer
  readonly guard: AddressGuard
  readonly bus: Bus
  readonly epochs: Epochs
  readonly outbound: Outbound
  /** As senders see them. */
  readonly activeEndpoints: EndpointDirectory
  readonly queue: TaskQueue
  /** Ends after the tasks, since some of them record. */
  readonly recorder: Recorder
}

interface FoundationOptions {
  readonly config: Config
  readonly log: Logger
  readonly lifecycle: Lifecycle
  readonly stopClock: StopClock
}

async function openFoundation({ config, log, lifecycle, stopClock }: FoundationOptions): Promise<Foundation> {
  const metrics = createMetrics()
  const database = await openDatabase(databaseOptions(config, log))
  lifecycle.defer('the database', database.close)
  createGauges({ sql: database.sql, metrics, log })
  const sealer = await openSealer(config, database.sql)
  const bus =
    config.redisUrl === null
      ? createMemoryBus({ log, reachesAll: database.embedded !== null })
      : createRedisBus({ url: config.redisUrl, log, metrics })
  lifecycle.defer('the live bus', () => bus.close())
  const epochs = createEpochs({ sql: database.sql, bus, log })
  lifecycle.defer('the configuration epochs', epochs.close)
  const guard = createAddressGuard(config)
  const outbound = createOutbound({ guard })
  lifecycle.defer('outbound connections', outbound.close)
  const activeEndpoints = createEndpointDirectory({ sql: database.sql, sealer, epochs })
  const queue = createTaskQueue({
    pool: database.pool,
    log,
    metrics,
    bus,
    // Asked for when the queue stops: the open requests have had their share by then.
    get graceMs() {
      return stopClock.leftMs
    },
  })
  const recorder = openRecorder({ database, bus, queue, log, metrics })
  lifecycle.defer('the recorder', recorder.close)
  lifecycle.defer('the task queue', queue.stop)
  await queue.start(tasks)
  // Nobody else works on an embedded database: what is under way there was left behind by a run that died.
  if (database.embedded !== null) {
    await releaseAllLeases(database.sql)
    await queue.reclaimActive()
  }
  await ensureSystemSources(database.sql)
  return { log, metrics, database, sealer, guard, bus, epochs, outbound, activeEndpoints, queue, recorder }
}

/** Fans out and delivers, and drops what is older than its rule. */
function startWorker(config: Config, foundation: Foundation, lifecycle: Lifecycle): void {
  const { database } = foundation
  const instanceId = newId('run')
  const deliveries = createDeliveries({
    ...foundation,
    ...database,
    endpoints: foundation.activeEndpoints,
    instanceId,
    version,
    defaultMaxAgeHours: config.retentionMaxAgeHours,
  })
  const record = createRecordSystemEvents({ ...foundation, sql: database.sql })
  foundation.queue.handle(recordSystemEvents, record, { concurrency: 1 })
  deliveries.start()
  lifecycle.defer('deliveries', deliveries.stop)
}

type Edge = Required<Pick<HttpServerOptions, 'routes' | 'fallback' | 'upgrade'>> & { close(): Promise<void> }

/** Takes messages in, and answers GraphQL. */
function openEdge(
  config: Config,
  foundation: Foundation,
  { base, lifecycle }: { base: string; lifecycle: Lifecycle },
): Edge {
  const { database } = foundation
  const { orm, sql } = database
  const { routes, publisher, authenticator } = openIngress(config, foundation, { base, lifecycle })
  const messages = createMessageStore(sql)
  const sources = createSourceStore(orm)
  const feed = createFeed({ ...foundation, reader: messages })
  lifecycle.defer('the live feed', () => feed.close())
  const listeners = createListeners({ ...foundation, orm, sql, feed, messages })
  // Before the feed closes its streams.
  lifecycle.defer('the listeners', listeners.close)
  // What every kind of stream shares.
  const keys = createKeyWatch({ ...foundation, authenticator })
  lifecycle.defer('the watch over keys', keys.close)
  const subscriptions = createSubscriptionLimit()
  const isAllowedOrigin = createOriginCheck({ publicUrl: base, allowedOrigins: config.allowedOrigins })
  const streamTickets = createStreamTickets(sql)
  const stats = createStatsStore(sql)
  const statsFeed = createStatsFeed({ ...foundation, store: stats })
  lifecycle.defer('the feed of statistics', async () => statsFeed.close())
  const graphql = createGraphql({
    ...foundation,
    orm,
    keys,
    subscriptions,
    isAllowedOrigin,
    streamTickets,
    stats,
    statsFeed,
    publicUrl: base,
    authenticator,
    apiKeys: createApiKeyStore(orm),
    sources,
    endpoints: createEndpointStore(orm),
    eventTypes: createEventTypeStore(orm),
    deliveries: createDeliveryStore(sql),
    probeRoom: createProbeRoom(),
    operations: createOperationStore(sql),
    refusals: createRefusalStore(sql),
    publisher,
    messages,
    feed,
    listeners,
    defaultRetention: { maxMessages: null, maxBytes: null, maxAgeHours: config.retentionMaxAgeHours },
  })
  const plainListeners = createPlainListeners({ authenticator, listeners, messages, sources })
  const streams = createMessageStreams({ authenticator, streamTickets, sources, messages, feed, keys, subscriptions })
  return {
    routes: [...routes, ...listenerRoutes(plainListeners), streamRoute({ streams, isAllowedOrigin })],
    fallback: {
      template: '/graphql',
      methods: 'any',
      handle: graphql.handle,
    },
    upgrade: graphql.upgrade,
    async close() {
      streams.close()
      await graphql.close()
    },
  }
}

/** The routes that messages and events come in by. */
function openIngress(
  config: Config,
  foundation: Foundation,
  { base, lifecycle }: { base: string; lifecycle: Lifecycle },
) {
  const { log, database, recorder } = foundation
  const { sql } = database
  const refusals = createRefusalLog({ ...foundation, sql })
  lifecycle.defer('the refusal log', refusals.close)
  const recording = createRecordingNotices({ ...foundation, sql })
  const limits = createLimitWatch({ sql, log, onWritten: recording.written })
  lifecycle.defer('the watch over limits', limits.close)
  const schemas = createEventSchemas({ ...foundation, sql })
  lifecycle.defer('the event schemas', schemas.close)
  const rateLimiter = createRateLimiter({ ...foundation, redisUrl: config.redisUrl })
  lifecycle.defer('the rate limiter', rateLimiter.close)
  const directory = createSourceDirectory({ ...foundation, sql })
  const authenticator = createAuthenticator({ ...foundation, sql })
  const told = tellingOfLimits(limits, { refusals, rateLimiter })
  const publisher = createEventPublisher({ directory, recorder, schemas, rateLimiter: told.rateLimiter })
  const receiving = {
    budget: createBodyBudget(maxReceivingBytes),
    refusals: told.refusals,
    rateLimiter,
    onError: (error: unknown) => log.warn({ err: error }, 'looking up a source failed'),
  }
  const ingress = createIngress({ ...receiving, directory, recorder, schemas, publicUrl: base })
  const events = createEventIngress({ ...receiving, publisher, authenticator })
  return { routes: [...ingressRoutes(ingress), eventsRoute(events)], publisher, authenticator }
}

/** Body bytes of all requests that are being received at a time; more are asked to come again. */
const maxReceivingBytes = 256 * 1024 * 1024

function databaseOptions(config: Config, log: Logger): DatabaseOptions {
  return { ...config, poolSize: config.databasePoolSize, entities, log }
}

async function openSealer(config: Config, sql: Sql): Promise<Sealer> {
  const masterKeys = await loadMasterKeys(config)
  await registerMasterKeys(sql, masterKeys)
  return createSealer(masterKeys)
}

async function loadMasterKeys(config: Config): Promise<readonly MasterKey[]> {
  return config.masterKeys ?? (await loadMasterKeyFile(config.dataDir))
}

type RecorderDeps = Pick<Foundation, 'database' | 'bus' | 'queue' | 'log' | 'metrics'>

function openRecorder({ database, bus, queue, log, metrics }: RecorderDeps): Recorder {
  const taskOf = (sourceId: SourceId) => ({ payload: { sourceId }, singletonKey: sourceId })
  return createRecorder({
    databaseUrl: database.databaseUrl,
    fanOutStatement: (sourceIds) => queue.insertStatement(fanOutTask, sourceIds.map(taskOf)),
    onCommitted(heads) {
      for (const [sourceId, sequence] of heads) bus.publish(sourceChannel(sourceId), String(sequence))
      queue.wake(fanOutTask)
    },
    onError: (error, messages) => log.error({ err: error, messages }, 'recording failed; senders were asked to repeat'),
    metrics,
  })
}

function noticesOf(config: Config): string[] {
  const notices: string[] = []
  if (config.databaseUrl === null)
    notices.push(`Embedded PostgreSQL in ${config.dataDir}; set DATABASE_URL to use another.`)
  if (config.allowsLoopback)
    notices.push('Deliveries may reach this machine (loopback); set ALLOWED_NETWORKS to change that.')
  return notices
}
