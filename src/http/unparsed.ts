import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Logger } from '../kernel/log.ts'
import { remoteAddressOf } from './client-address.ts'
import type { OpenExchange } from './exchange.ts'
import { problemOfClientError } from './framing.ts'
import type { HttpMetrics } from './metrics.ts'
import { type Problem, problemMessage } from './problem.ts'

export interface UnparsedDependencies {
  readonly log: Logger
  readonly metrics: HttpMetrics
  /** The latest exchange on a connection, until it is answered and its request has arrived whole. */
  readonly openExchanges: WeakMap<Duplex, OpenExchange>
}

/** Answers what never became a request, or stopped being one in its body: node's `clientError`. */
export function answerClientError(
  dependencies: UnparsedDependencies,
  error: NodeJS.ErrnoException,
  socket: Socket,
): void {
  const problem = problemOfClientError(error)
  const open = dependencies.openExchanges.get(socket)
  // What comes behind an answer that announced the close is no request: the client was told already.
  const isAfterLast = error.code === 'HPE_CLOSED_CONNECTION' && open === undefined
  if (problem === null || isAfterLast || !socket.writable) {
    socket.destroy()
  } else if (open === undefined) {
    refuse(dependencies, socket, problem)
  } else if (open.exchange.request.complete) {
    // What cannot be parsed is the next request. This one gets its answer first, and none follows.
    open.exchange.response.shouldKeepAlive = false
    open.exchange.response.once('close', () => socket.destroy())
  } else if (open.exchange.response.headersSent) {
    socket.destroy()
  } else {
    open.refusedWith(problem)
    sendLast(socket, problem)
  }
}

function refuse({ log, metrics }: UnparsedDependencies, socket: Socket, problem: Problem): void {
  const { status, code } = problem
  const route = '(unparsed)'
  metrics.observe({ route, method: 'unknown', status: String(status) }, 0)
  log.info({ route, status, code, remoteAddress: remoteAddressOf(socket) }, 'request')
  sendLast(socket, problem)
}

/** Sends an answer on a bare socket and ends the connection. */
export function sendLast(socket: Duplex, problem: Problem): void {
  socket.end(problemMessage(problem), () => socket.destroy())
}
