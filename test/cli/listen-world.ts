import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { connect, createServer as createTcpServer, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import { findFreePort } from '../../src/http/index.ts'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { createTestDatabase } from '../support/database.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { createSource } from '../support/graphql-client.ts'
import { type SpawnedProcess, spawnProcess } from './spawn-process.ts'

/** What a local server was sent, down to the spelling of its header fields. */
export interface LocalRequest {
  readonly method: string
  readonly target: string
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
}

export interface LocalServer {
  readonly url: string
  readonly requests: LocalRequest[]
}

type Answer = (request: LocalRequest, response: ServerResponse) => void | Promise<void>

/** The developer's own server. @param answer 204 unless given. */
export async function startLocalServer(
  answer: Answer = (_, response) => void response.writeHead(204).end(),
  port = 0,
): Promise<LocalServer> {
  const requests: LocalRequest[] = []
  const server = createServer(async (request: IncomingMessage, response) => {
    const body = await buffer(request)
    const received = { method: request.method ?? '', target: request.url ?? '', rawHeaders: request.rawHeaders, body }
    requests.push(received)
    await answer(received, response)
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${portOf(server.address())}/hook`, requests }
}

export interface Line {
  readonly kind: 'message' | 'gap'
  readonly id: string
  readonly sequence: number
  readonly method: string
  readonly path: string | null
  readonly text: string | null
  readonly body: string
  readonly event: { readonly type: string }
  readonly forward: {
    readonly status: number | null
    readonly error: string | null
    readonly durationMs: number
  } | null
}

export interface ListenedSource {
  readonly id: string
  readonly name: string
  readonly ingressUrl: string
  /** Runs `hookline listen` on it. */
  listen(args?: readonly string[], environment?: Record<string, string>): SpawnedProcess
}

export interface ListenWorld {
  readonly baseUrl: string
  readonly token: string
  /** @param input what `createSource` takes beside a name. */
  createSource(name: string, input?: Record<string, unknown>): Promise<ListenedSource>
  stop(signal?: NodeJS.Signals): Promise<void>
  /** Comes back in the same place. */
  start(): Promise<void>
  close(): Promise<void>
}

/** A gateway in a process of its own, on a port that it comes back to. */
export async function startListenWorld(): Promise<ListenWorld> {
  const database = await createTestDatabase()
  const settings = {
    DATABASE_URL: database.databaseUrl,
    MASTER_KEYS: generateMasterKey(),
    PORT: String(await findFreePort('127.0.0.1')),
  }
  let gateway = await startGatewayProcess(settings)
  const { baseUrl } = gateway
  const token = gateway.adminToken()
  return {
    baseUrl,
    token,
    async createSource(name, input = {}) {
      const { id, ingressUrl } = await createSource(baseUrl, token, { name, ...input })
      const listen = (args: readonly string[] = [], environment: Record<string, string> = {}) =>
        hookline(['listen', name, ...args], { HOOKLINE_URL: baseUrl, HOOKLINE_KEY: token, ...environment })
      return { id, name, ingressUrl: `${baseUrl}${new URL(ingressUrl).pathname}`, listen }
    },
    async stop(signal = 'SIGTERM') {
      await gateway.stop(signal)
    },
    async start() {
      gateway = await startGatewayProcess(settings)
    },
    async close() {
      await gateway.stop('SIGKILL')
      await database.drop()
    },
  }
}

/** Runs the program, with nothing saved unless the environment says where. */
export function hookline(args: readonly string[], environment: Record<string, string> = {}): SpawnedProcess {
  return spawnProcess('src/main.ts', args, { HOME: '/nonexistent', ...environment })
}

/** Sends header fields as they stand, in their order and spelling. @returns the status; null when there is no answer. */
export async function send(
  url: string,
  {
    method = 'POST',
    headers = [],
    body = '{}',
  }: { method?: string; headers?: readonly string[]; body?: string | Buffer } = {},
): Promise<number | null> {
  const bytes = Buffer.from(body)
  const { host, hostname, port } = new URL(url)
  const length = bytes.length === 0 ? [] : ['Content-Length', String(bytes.length)]
  // Not by `new URL`: it would normalise the path.
  const path = url.slice(url.indexOf('/', 'http://'.length))
  const options = { hostname, port, path, method, headers: ['Host', host, ...headers, ...length], agent: false }
  return await new Promise((resolve) => {
    const sent = request(options, (response) => response.resume().on('end', () => resolve(response.statusCode ?? 0)))
    sent.on('error', () => resolve(null)).end(bytes)
  })
}

/** The JSON lines that it has printed. */
export function linesOf({ output }: SpawnedProcess): Line[] {
  return output()
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))
}

export interface Proxy {
  readonly url: string
  /** From now on nothing passes on the connections that stand, and nobody is told. New ones pass. */
  freeze(): void
  connections(): number
}

/** A network between the two that can go silent, as one does when a machine sleeps or a cable is pulled. */
export async function startProxy(targetUrl: string): Promise<Proxy> {
  const target = new URL(targetUrl)
  const open = new Set<Socket>()
  const server = createTcpServer((client) => {
    const upstream = connect(Number(target.port), target.hostname)
    for (const socket of [client, upstream]) {
      socket.on('error', () => undefined)
      open.add(socket)
    }
    client.pipe(upstream).pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  let connections = 0
  server.on('connection', () => {
    connections += 1
  })
  return {
    url: `http://127.0.0.1:${portOf(server.address())}`,
    freeze() {
      for (const socket of open) socket.unpipe().pause()
    },
    connections: () => connections,
  }
}

function portOf(address: ReturnType<ReturnType<typeof createServer>['address']>): number {
  if (typeof address !== 'object' || address === null) throw new Error('no address')
  return address.port
}
