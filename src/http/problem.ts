import { STATUS_CODES } from 'node:http'
import type { Exchange } from './route.ts'

/** Why a request was refused, as RFC 9457 tells it. All of it is public. */
export interface Problem {
  readonly status: number
  /** Stable, for programs. */
  readonly code: string
  /** The status's own phrase unless given. */
  readonly title?: string
  /** For people: what was wrong and what to do. */
  readonly detail: string
  readonly headers?: Readonly<Record<string, string>>
}

const problemHeaders = {
  'content-type': 'application/problem+json',
  // What is refused at one moment may be accepted at the next, and the path may hold a token.
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
}

/** What an answer is written to, and the id that it tells. */
type Answering = Pick<Exchange, 'response' | 'requestId'>

/**
 * Answers with JSON.
 *
 * Headers are given flat and all at once: any that were set before would have node merge them, field by field.
 */
export function sendJson(
  { response, requestId }: Answering,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  const text = JSON.stringify(body)
  const fields = { 'content-type': 'application/json', ...headers, 'x-request-id': requestId }
  response.writeHead(status, [...Object.entries(fields).flat(), 'content-length', String(Buffer.byteLength(text))])
  response.end(text)
}

/** Answers with `application/problem+json`. */
export function sendProblem(answering: Answering, problem: Problem): void {
  const body = problemBody(problem, answering.requestId)
  sendJson(answering, problem.status, body, { ...problemHeaders, ...problem.headers })
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
