import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { findFreePort } from '../../src/http/index.ts'
import { compileCache } from './compile-cache.ts'
import { until } from './until.ts'

/** The product as a process of its own, started as a user would, on real sockets. */
export interface GatewayProcess {
  readonly baseUrl: string
  /** All that it printed, standard output and error together. */
  output(): string
  /** The admin key of a first start. */
  adminToken(): string
  isRunning(): boolean
  /** @returns the exit code; null when a signal ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

const mainFile = join(import.meta.dirname, '../../src/main.ts')

/** Starts `hookline serve` and waits until it is ready. A worker is ready, too, when it says so. */
export async function startGatewayProcess(environment: Record<string, string>): Promise<GatewayProcess> {
  const port = environment.PORT ?? String(await findFreePort('127.0.0.1'))
  const child = spawn(process.execPath, [mainFile, 'serve'], {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      LOG_LEVEL: 'warn',
      ...compileCache,
      ...environment,
      PORT: port,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  // A test that fails half way must not leave it behind.
  const end = () => child.kill('SIGKILL')
  process.once('exit', end)
  child.once('exit', () => process.off('exit', end))
  const output = collect(child)
  const baseUrl = `http://127.0.0.1:${port}`
  const gateway = gatewayOf(child, baseUrl, output)
  await until(
    async () => {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`the gateway ended:\n${output()}`)
      return (await fetch(`${baseUrl}/readyz`).catch(() => null))?.status ?? 'no answer'
    },
    200,
    { timeoutMs: 60_000 },
  ).catch(async (error: unknown) => {
    await gateway.stop('SIGKILL')
    throw new Error(`the gateway did not become ready:\n${output()}`, { cause: error })
  })
  return gateway
}

function gatewayOf(child: ChildProcess, baseUrl: string, output: () => string): GatewayProcess {
  return {
    baseUrl,
    output,
    adminToken() {
      const found = /hk_[0-9a-z]{26}_[\w-]{43}/.exec(output())
      if (found === null) throw new Error(`no admin key was printed:\n${output()}`)
      return found[0]
    },
    isRunning: () => child.exitCode === null && child.signalCode === null,
    async stop(signal = 'SIGTERM') {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
      const ended = once(child, 'exit')
      child.kill(signal)
      await ended
      return child.exitCode
    },
  }
}

function collect(child: ChildProcess): () => string {
  const chunks: Buffer[] = []
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk))
  return () => Buffer.concat(chunks).toString()
}
