import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { Registry } from 'prom-client'
import { onTestFinished } from 'vitest'
import { createHttpServer, type HttpServer, type HttpServerOptions } from '../../src/http/index.ts'
import { createLog } from '../../src/kernel/log.ts'

export interface LogLine {
  readonly [field: string]: unknown
}

export interface RunningServer {
  readonly server: HttpServer
  readonly port: number
  readonly url: string
  readonly lines: LogLine[]
  readonly metrics: Registry
  /** Waits for the log line that has all these fields. */
  line(fields: LogLine): Promise<LogLine>
}

/** A listening server, drained when the test ends. */
export async function startServer(options: Partial<HttpServerOptions> = {}): Promise<RunningServer> {
  const lines: LogLine[] = []
  const metrics = new Registry()
  const server = createHttpServer({
    routes: [],
    host: '127.0.0.1',
    port: 0,
    version: '1.2.3',
    checks: [],
    drainTimeoutMs: 0,
    metrics,
    log: createLog({
      level: 'debug',
      isPretty: false,
      destination: { write: (line) => void lines.push(JSON.parse(line)) },
    }),
    ...options,
  })
  const { port } = await server.listen()
  onTestFinished(() => server.drain())
  const line = (fields: LogLine) =>
    until(() => lines.find((candidate) => Object.entries(fields).every(([name, value]) => candidate[name] === value)))
  return { server, port, url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`, lines, metrics, line }
}

/** Waits until `find` gives something. */
export async function until<Found>(find: () => Found | undefined, timeoutMs = 10_000): Promise<Found> {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    const found = find()
    if (found !== undefined) return found
    if (performance.now() > deadlineMs) throw new Error('what was waited for did not come')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** A bare connection, for what no HTTP client would send. */
export interface BareConnection {
  readonly socket: Socket
  readonly received: () => string
  send(text: string): void
  /** Waits until what was received holds this text. */
  receives(text: string): Promise<string>
  /** Waits until the server has closed; resolves to all that was received. */
  closed(): Promise<string>
}

export async function openConnection(port: number, { isTls = false } = {}): Promise<BareConnection> {
  const socket = isTls
    ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
    : connect({ port, host: '127.0.0.1' })
  let text = ''
  let isClosed = false
  socket.setEncoding('latin1')
  socket.on('data', (chunk) => {
    text += chunk
  })
  // A reset is one way of closing; tests look at what came before.
  socket.on('error', () => {})
  socket.on('close', () => {
    isClosed = true
  })
  onTestFinished(() => void socket.destroy())
  await new Promise((resolve) => socket.once(isTls ? 'secureConnect' : 'connect', resolve))
  return {
    socket,
    received: () => text,
    send: (bytes) => void socket.write(bytes, 'latin1'),
    receives: (part) => until(() => (text.includes(part) ? text : undefined)),
    closed: () => until(() => (isClosed ? text : undefined)),
  }
}

/** Sends bytes on a new connection and waits for the server to close it. */
export async function exchangeBytes(port: number, bytes: string): Promise<string> {
  const connection = await openConnection(port)
  connection.send(bytes)
  return connection.closed()
}
