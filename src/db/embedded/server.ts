import { setTimeout as delay } from 'node:timers/promises'
import { roleName } from './cluster.ts'
import { embeddedError } from './embedded-error.ts'
import { type Root, type RuntimePlaces, removeRuntimePlaces, serverDirectory } from './places.ts'
import { type Postmaster, spawnPostmaster } from './postmaster.ts'
import { findPostmaster, stopPostmaster } from './running-postmaster.ts'
import type { ServerAccount } from './server-account.ts'
import { openServerLog, type ServerLog } from './server-log.ts'

/** A server that accepts connections. */
export interface Server {
  urlOf(database: string): string
  /** Resolves, with EMBEDDED_ENDED, when the server ends although nobody stopped it. */
  readonly died: Promise<Error>
  /** An error of ours that ends with the last lines of the server's log. */
  failure(text: string, cause?: unknown): Promise<Error>
  /** @throws CodedError EMBEDDED_STOP_FAILED */
  stop(): Promise<void>
}

interface ServerOptions {
  readonly root: Root
  readonly data: string
  readonly postgres: string
  readonly places: RuntimePlaces
  readonly account: ServerAccount
  readonly log: { warn(fields: object, message: string): void }
}

const readyPollMs = 10
/** Crash recovery takes as long as it takes; meanwhile the operator hears of it this often. */
const slowStartNoticeMs = 10_000
/** Past this the watchdog is dead or the checkpoint slow, and we see to the server ourselves. */
const watchdogStopMs = 20_000

/** @throws CodedError EMBEDDED_START_FAILED with the last lines of the log; the server has ended then. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const serverLog = await openServerLog(`${options.root.path}/server.log`)
  const withLog = async (text: string) =>
    `${text} Its log, ${options.root.path}/server.log, ends:\n${await serverLog.tail()}`
  const failure = async (text: string, cause?: unknown) =>
    embeddedError('EMBEDDED_START_FAILED', await withLog(text), cause)
  const postmaster = await launch(options, serverLog)
  let isStopping = false
  const stop = () => {
    isStopping = true
    return shutDown(options, postmaster, serverLog)
  }
  const died = new Promise<Error>((resolve) => {
    const tell = async () => {
      if (isStopping) return
      const text = 'The embedded PostgreSQL ended by itself: start Hookline again; nothing stored is lost.'
      resolve(embeddedError('EMBEDDED_ENDED', await withLog(text)))
    }
    // A stop that begins meanwhile closes the log: then there is nothing to tell any more.
    postmaster.ended.then(tell).catch(() => {})
  })
  try {
    await untilReady(options, postmaster, failure)
  } catch (error) {
    await stop()
    throw error
  }
  return { urlOf: (database) => urlOf(options.places, database), died, failure, stop }
}

async function launch({ root, data, postgres, places, account }: ServerOptions, serverLog: ServerLog) {
  try {
    return await spawnPostmaster({
      postgres,
      data,
      dataArgument: serverDirectory(places, data),
      socketDirectory: places.socketDirectory,
      marker: root.marker,
      account,
      logDescriptor: serverLog.descriptor,
    })
  } catch (error) {
    await serverLog.close()
    throw error
  }
}

/** The postmaster says in its pid file when it accepts connections. */
async function untilReady({ data, root, log }: ServerOptions, postmaster: Postmaster, failure: Server['failure']) {
  const hasEnded = { value: false }
  postmaster.ended.then(() => {
    hasEnded.value = true
  })
  let noticeMs = performance.now() + slowStartNoticeMs
  while ((await findPostmaster(data, root.marker))?.isReady !== true) {
    if (hasEnded.value) {
      throw await failure('PostgreSQL did not start.')
    }
    if (performance.now() > noticeMs) {
      log.warn({ data }, 'embedded PostgreSQL is still starting: after a crash it first replays its log')
      noticeMs += slowStartNoticeMs
    }
    await delay(readyPollMs)
  }
}

/** The path is the host, which is the one form that `pg`, MikroORM and psql all take. The port names the socket's file. */
function urlOf(places: RuntimePlaces, database: string): string {
  return `postgres://${roleName}@${encodeURIComponent(places.socketDirectory)}:5432/${database}?sslmode=disable`
}

async function shutDown({ data, root, places }: ServerOptions, postmaster: Postmaster, serverLog: ServerLog) {
  postmaster.release()
  const timer = new AbortController()
  await Promise.race([postmaster.ended, delay(watchdogStopMs, undefined, { signal: timer.signal }).catch(() => {})])
  timer.abort()
  await stopPostmaster(data, root.marker)
  await removeRuntimePlaces(places)
  await serverLog.close()
}
