import type { OpenExchange } from './exchange.ts'
import { framingProblem } from './framing.ts'
import { type Problem, sendProblem } from './problem.ts'
import { problemOfError } from './problem-of-error.ts'
import type { Exchange } from './route.ts'

/**
 * Answers one request: refuses it, or lets its route answer. Never throws.
 *
 * @param refusal found before the route is asked; null when there is none.
 */
export async function answer({ exchange, match }: OpenExchange, refusal: Problem | null): Promise<void> {
  try {
    const problem = refusal ?? framingProblem(exchange.request)
    if (problem !== null) return refuse(exchange, problem)
    switch (match.kind) {
      case 'found':
        return await match.route.handle(exchange)
      case 'wrong-method':
        return refuse(exchange, wrongMethod(exchange.request.method, match.allow))
      case 'unknown':
        return refuse(exchange, { status: 404, code: 'NOT_FOUND', detail: 'There is nothing at this path.' })
    }
  } catch (error) {
    answerError(exchange, error)
  }
}

function answerError(exchange: Exchange, error: unknown): void {
  const { request, response } = exchange
  // When the client left, whatever the handler ran into is a consequence; the log line says `aborted`.
  if (request.socket.destroyed) return
  exchange.note({ err: error })
  if (response.headersSent) {
    // Too late for an answer of ours: a cut connection tells the client that this one is incomplete.
    response.destroy()
    return
  }
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  refuse(exchange, problemOfError(error))
}

function refuse(exchange: Exchange, problem: Problem): void {
  exchange.note({ code: problem.code })
  sendProblem(exchange, problem)
}

function wrongMethod(method: string | undefined, allow: string): Problem {
  return {
    status: 405,
    code: 'METHOD_NOT_ALLOWED',
    detail: `${method} is not possible here; possible are: ${allow}.`,
    headers: { allow },
  }
}
