import { type OutgoingHttpHeaders, type ServerResponse, STATUS_CODES } from 'node:http'

/** Why a request was refused, as RFC 9457 tells it. All of it is public. */
export interface Problem {
  readonly status: number
  /** Stable, for programs. */
  readonly code: string
  /** The status's own phrase unless given. */
  readonly title?: string
  /** For people: what was wrong and what to do. */
  readonly detail: string
  readonly headers?: OutgoingHttpHeaders
}

const problemHeaders = {
  'content-type': 'application/problem+json',
  // What is refused at one moment may be accepted at the next, and the path may hold a token.
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
}

/** Answers with JSON. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: OutgoingHttpHeaders = {},
): void {
  const text = JSON.stringify(body)
  response.writeHead(status, {
    'content-type': 'application/json',
    ...headers,
    'content-length': Buffer.byteLength(text),
  })
  response.end(text)
}

/** Answers with `application/problem+json`. */
export function sendProblem(response: ServerResponse, problem: Problem): void {
  const requestId = response.getHeader('x-request-id')
  sendJson(response, problem.status, problemBody(problem, requestId), { ...problemHeaders, ...problem.headers })
}

/** The same answer as bytes of HTTP/1.1, for a socket whose request could not be parsed. It announces the close. */
export function problemMessage(problem: Problem): string {
  const body = JSON.stringify(problemBody(problem, undefined))
  const headers = {
    ...problemHeaders,
    ...problem.headers,
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${lines.join('')}\r\n${body}`
}

function problemBody({ status, code, title, detail }: Problem, requestId: unknown): object {
  return { title: title ?? STATUS_CODES[status], status, code, detail, requestId }
}
