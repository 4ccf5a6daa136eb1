/** Why an attempt did not succeed. */
export type AttemptFailure =
  /** An answer with a status other than 2xx. */
  | 'STATUS'
  /** The host's name does not resolve. */
  | 'DNS'
  /** The host is, or resolves to, an address that must not be reached; nothing was sent. */
  | 'ADDRESS_REFUSED'
  /** No connection could be opened: refused, or no route. */
  | 'CONNECTION_REFUSED'
  /** No connection was there in time. */
  | 'CONNECTION_TIMEOUT'
  /** The connection broke before an answer. */
  | 'CONNECTION_RESET'
  | 'TLS_EXPIRED'
  | 'TLS_UNTRUSTED'
  | 'TLS_WRONG_HOST'
  /** Any other failure of TLS. */
  | 'TLS'
  /** Connected, but no answer in time. */
  | 'RESPONSE_TIMEOUT'
  /** What came back is not HTTP/1.1, or its headers are too large. */
  | 'RESPONSE_INVALID'
  /** The process that made the attempt was lost; recorded by whoever finds it out, never by the request itself. */
  | 'WORKER_LOST'

export interface AttemptResponse {
  status: number
  /** As received, at most 20,000 bytes; those past it are dropped. */
  headers: [name: string, value: string][]
  /** At most 65,536 bytes, never decompressed. */
  body: Buffer
  /** True when the receiver had more to send, or did not end in time. */
  isTruncated: boolean
  /** Content-Length as the receiver told it; null when it did not. */
  announcedBytes: number | null
}

export interface AttemptOutcome {
  startedAt: Date
  /** From the call to its outcome, waiting for a connection included. */
  durationMs: number
  /** Null when no status line came. */
  response: AttemptResponse | null
  /** Null when the status is 2xx. The status line decides: what becomes of the body afterwards changes nothing. */
  failure: AttemptFailure | null
  /** For the user, one line, at most 300 characters; null when the status tells all. */
  failureDetail: string | null
  /** The raw value of Retry-After, unjudged; null when absent. */
  retryAfter: string | null
}
