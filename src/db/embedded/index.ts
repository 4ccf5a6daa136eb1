/*
 * A PostgreSQL of our own in `<dataDir>/postgres`, for installations that bring none.
 *
 * Who takes part: this process, the owner; a watchdog shell, which stops the server however the owner ends; and the
 * postmaster. They hold to this order:
 *
 *   owner lock ▸ stop an orphan ▸ places, binaries ▸ data (initdb once) ▸ watchdog and postmaster ▸ ready ▸ database
 *
 * - From the owner lock on, no other live owner touches the data, in this or another container.
 * - From the orphan on, no postmaster of ours runs on the data. An orphan exists when owner and watchdog were killed,
 *   or while the watchdog of a killed owner is still at work.
 * - From the data on, `<root>/data` is whole and of the binaries' major version.
 * - From ready on, crash recovery is over.
 *
 * `stop` goes the same way back, and so does every failure on the way.
 */
import pg from 'pg'
import { locateBinaries } from './binaries.ts'
import { ensureCluster } from './cluster.ts'
import { type OwnerLock, readOwner, takeOwnerLock } from './owner-lock.ts'
import { findRoot, prepareRoot, prepareRuntimePlaces, type Root } from './places.ts'
import { findPostmaster, removeStalePidFile, stopPostmaster } from './running-postmaster.ts'
import { type Server, startServer } from './server.ts'
import { chooseAccount } from './server-account.ts'

export interface EmbeddedPostgres {
  /** For `pg` and MikroORM alike: the role is a superuser, the database is `hookline`, there is no password. */
  readonly databaseUrl: string
  /** Whether a server that had outlived its owner had to be stopped: its tasks, if any, are nobody's now. */
  readonly reclaimedOrphan: boolean
  /** Resolves when the server ends although nobody stopped it, with CodedError EMBEDDED_ENDED. It stays away then. */
  readonly died: Promise<Error>
  /**
   * Disconnects every client, writes a checkpoint and ends the server, usually within 100 ms. Repeated calls share
   * the first one's result.
   *
   * @throws CodedError EMBEDDED_STOP_FAILED when the server is still there after half a minute.
   */
  stop(): Promise<void>
}

export interface EmbeddedPostgresOptions {
  /** Made when absent. As root, PostgreSQL runs as `postgres` or `nobody`, and the data belong to that user. */
  readonly dataDir: string
  readonly log?: EmbeddedPostgresLog
}

export interface EmbeddedPostgresLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

const databaseName = 'hookline'

/**
 * Starts the server and waits until it accepts connections: about 1 s on the first start, 0.1 s afterwards.
 *
 * @throws CodedError with one of the codes of `EmbeddedErrorCode`, whose text says what to do; nothing is left running.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const log = options.log ?? { info: () => {}, warn: () => {} }
  const root = await prepareRoot(options.dataDir)
  const lock = await takeOwnerLock(root.path)
  try {
    return await startOwned(root, lock, log)
  } catch (error) {
    lock.release()
    throw error
  }
}

/**
 * Where the server of a data directory listens, if another process runs it now: short commands use it through this
 * while the gateway is running.
 *
 * @returns null when nobody runs it.
 */
export async function runningDatabaseUrl(options: Pick<EmbeddedPostgresOptions, 'dataDir'>): Promise<string | null> {
  const root = await findRoot(options.dataDir)
  if (root === null) {
    return null
  }
  const postmaster = await findPostmaster(`${root.path}/data`, root.marker)
  const owner = await readOwner(root.path)
  return postmaster?.isReady === true ? (owner?.databaseUrl ?? null) : null
}

async function startOwned(root: Root, lock: OwnerLock, log: EmbeddedPostgresLog): Promise<EmbeddedPostgres> {
  const startedMs = performance.now()
  const account = await chooseAccount(`${root.path}/data`)
  // The orphan goes before the places are made, since its socket and its binaries may stand there.
  const reclaimedOrphan = await stopPostmaster(`${root.path}/data`, root.marker)
  const places = await prepareRuntimePlaces(root, account)
  const binaries = await locateBinaries(account, places.copyDirectory)
  const data = await ensureCluster({ root: root.path, account, binaries, places })
  await removeStalePidFile(data, root.marker)
  const server = await startServer({ root, data, postgres: binaries.postgres, places, account, log })
  try {
    await ensureDatabase(server)
    await lock.announce(server.urlOf(databaseName))
  } catch (error) {
    await server.stop()
    throw error
  }
  const tookMs = Math.round(performance.now() - startedMs)
  log.info({ data, reclaimedOrphan, tookMs }, 'embedded PostgreSQL is ready')
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopped ??= server.stop().finally(() => lock.release())
    return stopped
  }
  return { databaseUrl: server.urlOf(databaseName), reclaimedOrphan, died: server.died, stop }
}

/** At every start, because the first one may have been interrupted right after initdb. */
async function ensureDatabase(server: Server): Promise<void> {
  const client = new pg.Client({ connectionString: server.urlOf('postgres') })
  // A connection that breaks between two queries must not end the process; the next query tells.
  client.on('error', () => {})
  try {
    await client.connect()
    const found = await client.query('select 1 from pg_database where datname = $1::text', [databaseName])
    if (found.rowCount === 0) {
      await client.query(`create database ${databaseName}`)
    }
  } catch (error) {
    throw await server.failure('PostgreSQL started but cannot be used.', error)
  } finally {
    await client.end()
  }
}
