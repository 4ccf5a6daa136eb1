import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, constants, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { findFreePort } from '../../src/http/index.ts'

/**
 * Why tests with a Redis of their own cannot run here; null when they can. They need `redis-server` on the PATH, because
 * they kill it. Under CI a missing one fails the run instead.
 */
export async function redisMissing(): Promise<string | null> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const isThere = await access(join(folder, 'redis-server'), constants.X_OK).then(
      () => true,
      () => false,
    )
    if (isThere) return null
  }
  if (process.env.CI) throw new Error('redis-server is not on the PATH: install Redis')
  return 'redis-server is not on the PATH'
}

/** A Redis of the test's own on a free port of 127.0.0.1; keeps nothing on disk. */
export interface TestRedis {
  readonly url: string
  /** As a power failure would. */
  kill(): Promise<void>
  /** Again on the same port. */
  start(): Promise<void>
  /** It holds its connections, and answers nothing, until `resume`. */
  pause(): void
  resume(): void
  stop(): Promise<void>
}

export async function startTestRedis(): Promise<TestRedis> {
  const port = await findFreePort('127.0.0.1')
  const folder = await mkdtemp(join(tmpdir(), 'hookline-redis-'))
  const server = redisServer(['--port', String(port), '--dir', folder])
  await server.start()
  return {
    ...server,
    url: `redis://127.0.0.1:${port}`,
    async stop() {
      await server.kill()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** One `redis-server` on 127.0.0.1, not yet started. It keeps nothing on disk but what it must as part of a Cluster. */
export function redisServer(options: readonly string[]): Omit<TestRedis, 'url' | 'stop'> {
  let server: ChildProcess | null = null
  return {
    async start() {
      server = spawn('redis-server', ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', ...options], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      await accepting(server)
    },
    async kill() {
      if (server === null) return
      const exited = server.exitCode === null && server.signalCode === null ? once(server, 'exit') : null
      server.kill('SIGKILL')
      await exited
      server = null
    },
    pause: () => server?.kill('SIGSTOP'),
    resume: () => server?.kill('SIGCONT'),
  }
}

function accepting(server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = ''
    server.on('error', reject)
    server.on('exit', (code) => reject(new Error(`redis-server ended with ${code}: ${output}`)))
    server.stdout?.on('data', (chunk: Buffer) => {
      output += chunk
      if (output.includes('Ready to accept connections')) resolve()
    })
  })
}
