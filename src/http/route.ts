import type { IncomingMessage, ServerResponse } from 'node:http'

/** One entry of the route table. The first route whose template and method fit answers. */
export interface Route {
  /**
   * Such as `/in/:token/*`. `:name` stands for one segment that is not empty; `/*` at the end for any rest, or none.
   * Logs and metrics carry the template, never the path: paths hold tokens.
   */
  readonly template: string
  /** A route for GET answers HEAD as well. */
  readonly methods: 'any' | readonly string[]
  /**
   * Answers. The request's body is an untouched stream. What it throws becomes an answer: a CodedError's code and public
   * message, or else 500 INTERNAL_ERROR; once an answer has begun, its connection is cut.
   */
  readonly handle: (exchange: Exchange) => void | Promise<void>
}

/** One request and its answer. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** The template's parameters as they stand in the path: percent-encoding is not decoded. */
  readonly params: Readonly<Record<string, string>>
  /** What stands for the template's `/*`, raw, with its slash in front; empty when there is none. */
  readonly rest: string
  /** The raw path, without query. */
  readonly path: string
  /** The raw query without its question mark; null when there is none. */
  readonly query: string | null
  /** Also in the answer's `x-request-id` and in the log line. */
  readonly requestId: string
  /**
   * IP address of the client: the peer's, or what trusted proxies tell. IPv4 in its usual spelling. Empty when it cannot be
   * known: the proxy's headers say nothing clear, or the peer has gone already.
   */
  readonly remoteAddress: string
  /** Adds fields to the one log line of this request. */
  note(fields: object): void
}
