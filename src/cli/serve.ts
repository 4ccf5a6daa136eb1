import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from '../config/index.ts'
import type { Logger } from '../kernel/log.ts'
import type { RunningApp } from '../running-app.ts'
import { type CliContext, type Command, Failure } from './command.ts'
import { configOf, logOf } from './config-of.ts'
import { reported } from './explain-error.ts'
import { startReport } from './start-report.ts'
import { listenForStop, type StopSignals } from './stop-signals.ts'

/**
 * Runs until a signal comes:
 *
 *   configuration ▸ start ▸ report ▸ (SIGTERM, Ctrl-C) ▸ stop ▸ 0
 *
 * What breaks for good, such as an embedded PostgreSQL that was killed, stops it like a signal, but with 1: whoever
 * supervises the process can start it again.
 *
 * A signal during the start lets the start end, since half of one cannot be closed, and stops then. Every wait after a
 * signal is bounded.
 */
export const serve: Command = {
  name: 'serve',
  summary: 'Run the gateway.',
  operands: [],
  options: {},
  async run(_, context) {
    const config = configOf(context)
    const log = logOf(context, config)
    const stop = listenForStop()
    exitOnCrash(log)
    const app = await start(context, { config, log, stop })
    // The first key's token is told once: a signal must not swallow it.
    if (!stop.hasCome || app.firstAdminToken !== null) context.print(startReport(app))
    const reason = await Promise.race([stop.first, app.broken])
    const isBroken = reason instanceof Error
    log.info({ signal: isBroken ? null : reason, afterMs: Math.round(performance.now()) }, 'stopping')
    await within(config, 'The stop', app.stop())
    log.info('stopped')
    if (isBroken) throw reported(reason, log)
    return 0
  },
}

/** What closing queue and database may take on top of the open requests' time. */
const closingMs = 1_500

async function start(
  context: CliContext,
  { config, log, stop }: { config: Config; log: Logger; stop: StopSignals },
): Promise<RunningApp> {
  const { startApp } = await context.loadApp()
  const starting = startApp(config, log)
  try {
    await Promise.race([starting, stop.first])
    if (!stop.hasCome) return await starting
    log.info('stopping as soon as the start has ended')
    return await within(config, 'The start', starting)
  } catch (error) {
    throw reported(error, log)
  }
}

async function within<Result>({ shutdownTimeoutMs }: Config, what: string, work: Promise<Result>): Promise<Result> {
  const limitMs = shutdownTimeoutMs + closingMs
  const clock = new AbortController()
  const expiry = delay(limitMs, undefined, { signal: clock.signal }).then(() => {
    throw new Failure(`${what} took longer than ${limitMs} ms and was given up.`)
  })
  try {
    return await Promise.race([work, expiry])
  } finally {
    clock.abort()
    expiry.catch(() => {})
  }
}

// After an error that nobody caught the process's state is unknown. What is in the database is whole at any moment.
function exitOnCrash(log: Logger): void {
  const crash = (origin: string) => (error: unknown) => {
    log.fatal({ err: error, origin }, 'a bug ended this process')
    process.exit(1)
  }
  process.on('uncaughtException', crash('uncaughtException'))
  process.on('unhandledRejection', crash('unhandledRejection'))
}
