import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Registry } from 'prom-client'
import type { Logger } from '../kernel/log.ts'
import { answer } from './answer.ts'
import { createClientAddress } from './client-address.ts'
import { trackConnections } from './connections.ts'
import { type OpenExchange, openExchange } from './exchange.ts'
import { framingProblem, maxHeaderBytes } from './framing.ts'
import { listen } from './listen.ts'
import { createHttpMetrics } from './metrics.ts'
import { operationalRoutes, type ReadinessCheck } from './operational-routes.ts'
import type { Problem } from './problem.ts'
import { problemOfError } from './problem-of-error.ts'
import type { Exchange, Route } from './route.ts'
import { createRouter } from './router.ts'
import { readTlsFiles, type TlsFiles } from './tls.ts'
import { answerClientError, sendLast } from './unparsed.ts'

/*
 * One server for everything. A request goes
 *
 *   parser (framing, sizes, clocks) ▸ framing problems that the parser lets through ▸ router ▸ route
 *
 * with its body untouched: a route reads the raw stream. The routes given come first, then the operational ones, then the
 * fallback (GraphQL). Whatever happens, a request gets one log line, one count, and either an answer or a cut connection;
 * whatever is refused is refused as application/problem+json with a stable code.
 */

export interface HttpServerOptions {
  readonly routes: readonly Route[]
  /** Asked last; with it, `/` leads there. */
  readonly fallback?: Route
  /**
   * Takes over a WebSocket's socket; other protocols are never upgraded to, their requests are answered as usual.
   * Absent: no upgrades at all. Throwing answers 500.
   */
  readonly upgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** Absent or null: plain HTTP. */
  readonly tls?: TlsFiles | null
  /** Addresses and CIDR networks whose X-Forwarded-For or Forwarded is believed. Absent: nobody's. */
  readonly trustedProxies?: readonly string[]
  /** Of this program, for `/healthz`. */
  readonly version: string
  /** For `/readyz`. */
  readonly checks: readonly ReadinessCheck[]
  readonly log: Logger
  readonly metrics: Registry
  /** How long a drain waits before it cuts connections, in milliseconds. */
  readonly drainTimeoutMs: number
  readonly limits?: Partial<HttpLimits>
}

/** In milliseconds. */
export interface HttpLimits {
  /** For a request's headers to arrive; 408 afterwards. Default 15,000. */
  readonly headersTimeoutMs: number
  /** For the whole request to arrive; 408 afterwards. Default 60,000. */
  readonly requestTimeoutMs: number
  /** For the next request on a connection. Default 75,000: more than the 60 s of common load balancers. */
  readonly keepAliveTimeoutMs: number
  /** For a client to stop sending a body that its answer did not wait for. Default 5,000. */
  readonly lingerMs: number
}

export interface HttpServer {
  /** @throws CodedError saying what to do, such as PORT_IN_USE. */
  listen(): Promise<{ port: number }>
  /**
   * Readiness fails and the listener stops at once; open requests finish within the time-out, then they are cut.
   * WebSockets and event streams do not end by themselves: whoever owns them closes them meanwhile, not afterwards.
   * Never rejects; repeated calls share one result.
   */
  drain(): Promise<void>
}

const defaultLimits: HttpLimits = {
  headersTimeoutMs: 15_000,
  requestTimeoutMs: 60_000,
  keepAliveTimeoutMs: 75_000,
  lingerMs: 5_000,
}

/** @throws CodedError when the TLS files cannot be used; RangeError when a route's template or a proxy is malformed. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { log, fallback, upgrade } = options
  const limits = { ...defaultLimits, ...options.limits }
  const server = createBareServer(options, limits)
  const connections = trackConnections(server, options)
  const operational = operationalRoutes({ ...options, isDraining: () => connections.isDraining })
  const last = fallback === undefined ? [] : [homeRoute, fallback]
  const router = createRouter([...options.routes, ...operational, ...last])
  const metrics = createHttpMetrics(options.metrics)
  const clientAddressOf = createClientAddress(options.trustedProxies ?? [])
  const openExchanges = new WeakMap<Duplex, OpenExchange>()

  const serve = (request: IncomingMessage, response: ServerResponse, refusal: Problem | null) => {
    const open = openExchange({ router, clientAddressOf, log, metrics }, request, response)
    connections.track(response)
    follow(openExchanges, open, limits.lingerMs)
    void answer(open, refusal)
  }
  server.on('request', (request, response) => serve(request, response, null))
  server.on('checkExpectation', (request, response) => serve(request, response, unknownExpectation))
  server.on('clientError', (error, socket) =>
    // node gives the connection's own socket, which its types call a Duplex.
    answerClientError({ log, metrics, openExchanges }, error, socket as Socket),
  )
  server.on('connect', (_, socket) => sendLast(socket, noTunnels))
  if (upgrade !== undefined) {
    server.on('upgrade', (request, socket, head) => {
      // Nobody else listens between the parser and the WebSocket; an unheard error would end the process.
      socket.on('error', (error) => log.debug({ err: error }, 'upgraded socket failed'))
      const problem = connections.isDraining ? draining : framingProblem(request)
      if (problem !== null) return sendLast(socket, problem)
      try {
        upgrade(request, socket, head)
      } catch (error) {
        log.error({ err: error }, 'upgrade failed')
        sendLast(socket, problemOfError(error))
      }
    })
  }
  return {
    listen: async () => ({ port: await listen(server, options) }),
    drain: () => connections.drain(),
  }
}

function createBareServer({ tls, upgrade }: HttpServerOptions, limits: HttpLimits): Server {
  const serverOptions: ServerOptions = {
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs),
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.min(1_000, Math.ceil(limits.headersTimeoutMs / 4)),
    // framingProblem tells it with a body.
    requireHostHeader: false,
    // Finds peers that vanished from long streams.
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
    // Java's and curl's clients offer `Upgrade: h2c` on ordinary requests: those are answered as if they had not.
    shouldUpgradeCallback: (request) => upgrade !== undefined && /^websocket$/i.test(request.headers.upgrade ?? ''),
  }
  const server =
    tls === undefined || tls === null
      ? createServer(serverOptions)
      : createTlsServer({ ...serverOptions, ...readTlsFiles(tls) })
  // Bounded by their bytes; node would drop the headers past a count silently.
  server.maxHeadersCount = 0
  return server
}

// Keeps the exchange at hand for clientError while it is open, and bounds what is read after its answer.
function follow(openExchanges: WeakMap<Duplex, OpenExchange>, open: OpenExchange, lingerMs: number): void {
  const { request, response } = open.exchange
  const { socket } = request
  openExchanges.set(socket, open)
  // In front of node's own listener, which closes the connection of a last answer.
  response.prependOnceListener('finish', () => {
    if (!request.complete) linger(open.exchange, lingerMs)
  })
  response.once('close', () => {
    // While its body still arrives, what goes wrong on the connection concerns this request and no new one.
    if (request.complete && openExchanges.get(socket) === open) openExchanges.delete(socket)
  })
  // A write after the client left is reported here; the log line says `aborted` already.
  response.on('error', () => {})
}

// Reads and drops, for a while, what still arrives of a request that was answered early. To close the connection with bytes
// under way would reset it, and a reset can take the answer from a client that has not read it yet.
function linger({ request, response }: Exchange, lingerMs: number): void {
  const { socket } = request
  const expiry = setTimeout(() => socket.destroy(), lingerMs).unref()
  request.once('end', () => clearTimeout(expiry))
  if (!response.shouldKeepAlive) {
    socket.destroySoon = () => {
      socket.end()
      request.once('end', () => socket.destroy())
    }
  }
  request.resume()
}

const homeRoute: Route = {
  template: '/',
  methods: ['GET'],
  handle({ response, requestId }) {
    response.writeHead(302, { location: '/graphql', 'content-length': 0, 'x-request-id': requestId }).end()
  },
}

const draining: Problem = {
  status: 503,
  code: 'DRAINING',
  detail: 'This process is stopping. Try again: another one answers, or this one after its restart.',
  headers: { 'retry-after': '1' },
}

const unknownExpectation: Problem = {
  status: 417,
  code: 'EXPECTATION_FAILED',
  detail: 'The only expectation that can be met is 100-continue.',
}

const noTunnels: Problem = {
  status: 405,
  code: 'METHOD_NOT_ALLOWED',
  detail: 'CONNECT is not possible here: this is no proxy.',
  headers: { allow: '' },
}
