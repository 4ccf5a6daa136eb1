import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { findFreePort } from '../../src/http/index.ts'
import { generateMasterKey } from '../../src/secrets/index.ts'
import type { Resources } from './resources.ts'

/** The product as users run it: one `serve` process of role `all`, set up by the command line and GraphQL alone. */
export interface Gateway {
  readonly port: number
  readonly pid: number
  /** Of a key that may do everything. */
  readonly token: string
  /** @throws Error when GraphQL reports errors or the mutation answers with one. */
  graphql<Data>(document: string, variables?: object): Promise<Data>
}

interface GatewayOptions {
  readonly databaseUrl: string
  /** Where the process writes a CPU profile when it ends; null for none. */
  readonly profileDirectory: string | null
}

const program = new URL('../../src/main.ts', import.meta.url).pathname
const readyWithinMs = 20_000
const stopWithinMs = 15_000

export async function startGateway(resources: Resources, options: GatewayOptions): Promise<Gateway> {
  const port = await findFreePort('127.0.0.1')
  const environment = {
    PATH: process.env.PATH,
    DATABASE_URL: options.databaseUrl,
    MASTER_KEYS: generateMasterKey(),
    PORT: String(port),
    LOG_LEVEL: 'warn',
    ALLOWED_NETWORKS: '127.0.0.0/8',
  }
  const profiling =
    options.profileDirectory === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profileDirectory}`]
  const child = spawn(process.execPath, [...profiling, program, 'serve'], {
    env: environment,
    // A group of its own, so that Ctrl-C reaches us alone and it is stopped in its turn.
    detached: true,
    // Standard output is for our result.
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  await resources.add(() => stopGateway(child))
  await untilReady(child, port)
  const token = await createKey(environment)
  return {
    port,
    pid: child.pid ?? 0,
    token,
    graphql: (document, variables = {}) => askGraphql({ port, token }, document, variables),
  }
}

async function createKey(environment: NodeJS.ProcessEnv): Promise<string> {
  const cli = async (...words: string[]) =>
    (await promisify(execFile)(process.execPath, [program, ...words], { env: environment })).stdout
  await cli('projects', 'create', 'bench')
  const token = await cli('keys', 'create', '--project', 'bench', '--name', 'bench', '--scopes', 'admin')
  return token.trim()
}

async function askGraphql<Data>(
  { port, token }: Pick<Gateway, 'port' | 'token'>,
  query: string,
  variables: object,
): Promise<Data> {
  const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = (await response.json()) as { data: Data; errors?: unknown }
  if (errors !== undefined) {
    throw new Error(`GraphQL: ${JSON.stringify(errors)}`)
  }
  return data
}

async function untilReady(child: ChildProcess, port: number): Promise<void> {
  const deadlineMs = performance.now() + readyWithinMs
  while (performance.now() < deadlineMs && child.exitCode === null) {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null)
    if (answer?.ok === true) {
      return
    }
    await delay(50)
  }
  throw new Error('the gateway did not become ready')
}

async function stopGateway(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) {
    return
  }
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = new AbortController()
  const overdue = delay(stopWithinMs, 'overdue', { signal: timer.signal }).catch(() => 'stopped')
  if ((await Promise.race([exited, overdue])) === 'overdue') {
    console.error('the gateway did not stop in time')
    child.kill('SIGKILL')
    await exited
  }
  timer.abort()
}
