import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import type { ExecutionArgs, GraphQLError } from 'graphql'
import { handleProtocols, makeServer, type Server } from 'graphql-ws'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Authenticator } from '../auth/authenticator.ts'
import type { Viewer } from '../auth/viewer.ts'
import { newId } from '../kernel/ids.ts'
import type { Logger } from '../kernel/log.ts'
import type { OriginCheck } from '../kernel/origins.ts'
import { toClientError } from './client-error.ts'
import { graphqlPath } from './http.ts'
import type { KeyWatch } from './key-watch.ts'
import type { Operations, PreparedOperation } from './operations.ts'
import { requestError } from './request-error.ts'
import { type Connection, openConnection, tickMs } from './socket-connection.ts'
import { sentAsFrames } from './socket-frames.ts'

/*
 * GraphQL over WebSocket, `graphql-transport-ws`: graphql-ws speaks the protocol, `ws` the frames. Operations run as they
 * do over HTTP. A client authenticates once, with `connectionParams.authorization` or the upgrade's own header; the
 * socket closes with 4401 without a key, with 4403 when the key does not hold, or not any more, and with 1013 when that
 * cannot be told now.
 */

/** The same as for HTTP bodies. */
const maxFrameBytes = 1_048_576
const maxOperationsPerSocket = 100
const connectionInitTimeoutMs = 5_000
const refusalTimeoutMs = 2_000

export interface SocketDeps {
  readonly operations: Operations
  readonly authenticator: Authenticator
  readonly keys: KeyWatch
  readonly isAllowedOrigin: OriginCheck
  /** A reader that takes nothing for this long is cut off. */
  readonly stalledMs: number
  readonly log: Logger
}

export interface Sockets {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Completes all operations and closes all sockets with 1001. */
  close(): Promise<void>
}

/** What the hooks of graphql-ws know of a socket. */
export interface SocketExtra {
  /** Of the upgrade; the request itself is not kept, for it is large and sockets live long. */
  readonly authorization: string | undefined
  readonly connection: Connection
  readonly requestId: string
  /** Null until the socket is authenticated. */
  viewer: Viewer | null
  stopWatching: () => void
  /** Ends all that the socket runs; its client is told that each is complete. */
  complete: () => Promise<unknown>
}

/** What graphql-ws hands back to be executed. */
interface SocketOperation extends PreparedOperation {
  /** As its client calls it. */
  readonly id: string
  readonly connection: Pick<Connection, 'sendResult'>
}

export function createSockets(deps: SocketDeps): Sockets {
  const { log, stalledMs } = deps
  const frames = new WebSocketServer({
    noServer: true,
    maxPayload: maxFrameBytes,
    handleProtocols,
    clientTracking: false,
  })
  const protocol = protocolServer(deps)
  const open = new Set<SocketExtra>()
  let isClosed = false

  const timer = setInterval(() => {
    for (const { connection } of open) connection.tick()
  }, tickMs)
  timer.unref()

  function accept(socket: WebSocket, request: IncomingMessage): void {
    const connection = openConnection({ socket, transport: request.socket, log, stalledMs })
    const extra: SocketExtra = {
      authorization: request.headers.authorization,
      connection,
      requestId: newId('req'),
      viewer: null,
      stopWatching: () => undefined,
      complete: async () => undefined,
    }
    open.add(extra)
    void connection.gone.then(() => open.delete(extra))
    connection.run(protocol, extra)
  }

  return {
    upgrade(request, socket, head) {
      if (isClosed) return refuse(socket, '503 Service Unavailable')
      if (pathOf(request) !== graphqlPath) return refuse(socket, '404 Not Found')
      if (!deps.isAllowedOrigin(request.headers)) return refuse(socket, '403 Forbidden')
      frames.handleUpgrade(request, socket, head, (webSocket) => accept(webSocket, request))
    },
    async close() {
      isClosed = true
      await Promise.all([...open].map(goAway))
      clearInterval(timer)
    },
  }
}

async function goAway({ connection, complete }: SocketExtra): Promise<void> {
  await complete()
  // graphql-ws tells of the completions in the turns that follow.
  await setImmediate()
  connection.close(1001, 'Going away')
  await connection.gone
}

function protocolServer({ operations, authenticator, keys, log }: SocketDeps): Server<SocketExtra> {
  // graphql-ws tells only by the kind of an operation which of the two to call; ours needs no telling.
  const execute = async (args: ExecutionArgs) => {
    const operation = args as SocketOperation
    const result = await operations.execute(operation)
    return 'follow' in result ? sentAsFrames(result, operation) : result
  }

  /** Undefined when the key cannot be looked up now: clients take 4500 for final. */
  async function viewerOf({ requestId }: SocketExtra, authorization: string): Promise<Viewer | null | undefined> {
    try {
      return await authenticator.authenticate(authorization)
    } catch (error) {
      log.warn({ err: error, requestId }, 'a key cannot be looked up')
      return undefined
    }
  }

  return makeServer<Record<string, unknown>, SocketExtra>({
    connectionInitWaitTimeout: connectionInitTimeoutMs,
    async onConnect({ extra, connectionParams, subscriptions }) {
      const authorization = connectionParams?.authorization ?? extra.authorization
      if (typeof authorization !== 'string') return extra.connection.close(4401, 'Unauthorized')
      const viewer = await viewerOf(extra, authorization)
      if (viewer === undefined) return extra.connection.close(1013, 'Try again later')
      if (viewer === null || !extra.connection.isOpen()) return false
      extra.viewer = viewer
      extra.complete = () => Promise.all(Object.values(subscriptions).map(completeStream))
      extra.stopWatching = keys.watch(viewer, () => extra.connection.close(4403, 'Forbidden'))
      return true
    },
    async onSubscribe({ extra, subscriptions }, id, payload) {
      if (Object.keys(subscriptions).length > maxOperationsPerSocket) return [tooManyOperations()]
      const { viewer, requestId } = extra
      try {
        const prepared = operations.prepare(payload, { viewer, requestId })
        return 'kind' in prepared ? { ...prepared, id, connection: extra.connection } : prepared
      } catch (error) {
        return [toClientError(error, { log, requestId })]
      }
    },
    execute,
    subscribe: execute,
    onClose({ extra }) {
      extra.stopWatching()
    },
  })
}

// Null while the operation is being prepared, and for queries.
async function completeStream(stream: object | null): Promise<void> {
  if (stream !== null && 'return' in stream && typeof stream.return === 'function') await stream.return()
}

function tooManyOperations(): GraphQLError {
  return requestError('QUERY_TOO_LARGE', `One socket carries ${maxOperationsPerSocket} operations at most.`)
}

function pathOf({ url }: IncomingMessage): string {
  return url?.split('?', 1)[0] ?? ''
}

// The connection is left half open, for a client to read the answer; one that does not hang up is not waited for.
function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
  setTimeout(() => socket.destroy(), refusalTimeoutMs).unref()
}
