import { Registry } from 'prom-client'
import type { Toolbox } from './cli/app-face.ts'
import { baseUrlOf, type Config } from './config/index.ts'
import { registerMasterKeys } from './db/master-keys.ts'
import { type Database, type DatabaseOptions, openDatabase } from './db/open-database.ts'
import { isUpToDate } from './db/orm.ts'
import { purgeEndpoint } from './endpoints/index.ts'
import { entities } from './entities.ts'
import { findOpenSource, prepareFirstStart } from './first-start.ts'
import { createHttpServer } from './http/index.ts'
import { ingressRoute } from './http/ingress-route.ts'
import { createBodyBudget, createIngress } from './ingress/index.ts'
import type { SourceId } from './kernel/ids.ts'
import type { Logger } from './kernel/log.ts'
import { createLifecycle, type Lifecycle } from './lifecycle.ts'
import { type Bus, sourceChannel } from './live/bus.ts'
import { createEpochs } from './live/epoch.ts'
import { createMemoryBus } from './live/memory-bus.ts'
import { createRedisBus } from './live/redis-bus.ts'
import { createRecorder, fanOutTask, type Recorder } from './messages/index.ts'
import { createTaskQueue, type TaskQueue } from './queue/index.ts'
import { createSealer, type Sealer } from './secrets/index.ts'
import { loadMasterKeyFile } from './secrets/master-key-file.ts'
import { createSourceDirectory, ingressUrlOf, purgeSource } from './sources/index.ts'
import { createToolbox } from './toolbox.ts'

/**
 * THE COMPOSITION ROOT: from a configuration to a running gateway. The only file that constructs services.
 *
 * One webhook's way through it:
 *   1. http/server        one server, REST routes before GraphQL
 *   2. http/ingress-route  `ANY /in/<token>`
 *   3. ingress            source, size, signature
 *   4. messages/recorder  one transaction for all that wait; then 202
 *   5. live/bus           wake-up: 'this source now reaches sequence N'
 *   6. live/feed          backfill, cutover, stream ▸ graphql ▸ WebSocket or SSE
 *   7. queue ▸ deliveries/fan-out   one delivery per endpoint that wants the message
 *   8. queue ▸ deliveries/drain ▸ outbound ▸ settle   attempts, until delivered or given up
 */
export interface RunningApp {
  readonly urls: { readonly base: string; readonly graphiql: string }
  /** The admin key's token, on an installation's first start only: it is not stored. */
  readonly firstAdminToken: string | null
  /** An address that takes requests without a signature; null when there is none. */
  readonly exampleIngressUrl: string | null
  /** What the operator should know, a sentence each. */
  readonly notices: readonly string[]
  /** Drains and closes everything, in the opposite order of its opening. */
  stop(): Promise<void>
}

/** @throws CodedError that says what to do next; nothing is left running. */
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
  const deps = { orm: database.orm, epochs: { changed: () => undefined } }
  return { ...createToolbox(deps), migrate: async () => undefined, close: database.close }
}

/** The GraphQL schema in SDL. Needs no database. */
export async function printSchema(): Promise<string> {
  const { printSchemaText } = await import('./graphql/print-schema.ts')
  return printSchemaText()
}

async function compose(config: Config, log: Logger, lifecycle: Lifecycle): Promise<RunningApp> {
  const metrics = new Registry()
  const database = await openDatabase(databaseOptions(config, log))
  lifecycle.defer('the database', database.close)
  const { sql, orm, pool } = database
  const sealer = await openSealer(config, database)
  const bus =
    config.redisUrl === null ? createMemoryBus({ log }) : createRedisBus({ url: config.redisUrl, log, metrics })
  lifecycle.defer('the live bus', bus.close)
  const epochs = createEpochs({ sql, bus, log })
  lifecycle.defer('the configuration epochs', epochs.close)
  const queue = createTaskQueue({ pool, log, metrics, bus, graceMs: config.shutdownTimeoutMs })
  lifecycle.defer('the task queue', queue.stop)
  await queue.start([fanOutTask, purgeSource, purgeEndpoint])
  if (database.embedded !== null) await queue.reclaimActive()

  const recorder = openRecorder({ database, bus, queue, log, metrics })
  lifecycle.defer('the recorder', recorder.close)
  const directory = createSourceDirectory({ sql, sealer, epochs })
  const ingress = createIngress({
    directory,
    recorder,
    budget: createBodyBudget(maxReceivingBytes),
    onError: (error) => log.warn({ err: error }, 'looking up a source failed'),
  })
  const server = createHttpServer({
    routes: [ingressRoute(ingress)],
    host: config.host,
    port: config.port,
    tls: config.tls,
    version: '0.1.0',
    checks: [{ name: 'database', check: () => checkDatabase(database) }],
    log,
    metrics,
    drainTimeoutMs: config.shutdownTimeoutMs,
  })
  lifecycle.defer('the HTTP server', server.drain)
  const firstAdminToken = await prepareFirstStart({ orm, sql, sealer, epochs })
  const { port } = await server.listen()
  const base = baseUrlOf(config, port)
  const source = await findOpenSource(orm)
  return {
    urls: { base, graphiql: `${base}/graphql` },
    firstAdminToken,
    exampleIngressUrl: source === null ? null : ingressUrlOf({ sealer, publicUrl: base }, source),
    notices: noticesOf(config),
    stop: lifecycle.close,
  }
}

/** Body bytes of all requests that are being received at a time; more are asked to come again. */
const maxReceivingBytes = 256 * 1024 * 1024

function databaseOptions(config: Config, log: Logger): DatabaseOptions {
  return { ...config, poolSize: config.databasePoolSize, entities, log }
}

async function openSealer(config: Config, { sql }: Database): Promise<Sealer> {
  const masterKeys = config.masterKeys ?? (await loadMasterKeyFile(config.dataDir))
  await registerMasterKeys(sql, masterKeys)
  return createSealer(masterKeys)
}

function openRecorder(options: {
  database: Database
  bus: Bus
  queue: TaskQueue
  log: Logger
  metrics: Registry
}): Recorder {
  const { bus, queue, log, metrics } = options
  const taskOf = (sourceId: SourceId) => ({ payload: { sourceId }, singletonKey: sourceId })
  return createRecorder({
    databaseUrl: options.database.databaseUrl,
    fanOutStatement: (sourceIds) => queue.insertStatement(fanOutTask, sourceIds.map(taskOf)),
    onCommitted(heads) {
      for (const [sourceId, sequence] of heads) bus.publish(sourceChannel(sourceId), String(sequence))
      queue.wake(fanOutTask)
    },
    onError: (error, messages) => log.error({ err: error, messages }, 'recording failed; senders were asked to repeat'),
    metrics,
  })
}

async function checkDatabase({ sql }: Database): Promise<void> {
  if (!(await isUpToDate(sql))) throw new Error('the database lacks migrations of this version')
}

function noticesOf(config: Config): string[] {
  const notices: string[] = []
  if (config.databaseUrl === null)
    notices.push(`Embedded PostgreSQL in ${config.dataDir}; set DATABASE_URL to use another.`)
  if (config.allowsLoopback)
    notices.push('Deliveries may reach this machine (loopback); set ALLOWED_NETWORKS to change that.')
  return notices
}
