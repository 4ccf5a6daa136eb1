import type { Dispatcher } from 'undici'
import type { AttemptOutcome, AttemptResponse } from './attempt.ts'
import { classifyFailure, describeFailure, isInvalidCall } from './classify-failure.ts'

/*
 * One request and what came back. undici reports to it as events; the first of these settles it, later ones are ignored:
 *
 *   waiting ──started──▶ sent ──status line──▶ answered ──end, enough body, error, deadline──▶ settled
 *      │                   └──error, deadline──▶ settled
 *      └──error, deadline──▶ settled (undici still holds the request in a queue: it is dropped when its turn comes)
 *
 * undici's own request() would build a stream per response. Here the few bytes that are kept are taken as they come.
 */

const MAX_BODY_BYTES = 65_536
const MAX_HEADERS_BYTES = 20_000

export interface ExchangeSettlement {
  resolve(outcome: AttemptOutcome): void
  reject(error: Error): void
}

export class Exchange implements Dispatcher.DispatchHandler {
  readonly #startedAt = new Date()
  readonly #startMs = performance.now()
  readonly #settlement: ExchangeSettlement
  #controller: Dispatcher.DispatchController | null = null
  #status: number | null = null
  #headers: [string, string][] = []
  #chunks: Buffer[] = []
  #keptBytes = 0
  #isSettled = false

  constructor(settlement: ExchangeSettlement) {
    this.#settlement = settlement
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#isSettled) controller.abort(new Error('the attempt is over'))
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    // Interim answers (103 Early Hints) come through here, too.
    if (status < 200) return
    this.#status = status
    this.#headers = keepHeaders(controller.rawHeaders)
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isSettled) return
    const room = MAX_BODY_BYTES - this.#keptBytes
    const kept = chunk.length > room ? chunk.subarray(0, room) : chunk
    this.#chunks.push(kept)
    this.#keptBytes += kept.length
    if (kept.length < chunk.length) this.#cut()
  }

  onResponseEnd(): void {
    this.#settle(null, { isComplete: true })
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (isInvalidCall(error)) this.#reject(new TypeError(`the call cannot be sent: ${error.message}`, { cause: error }))
    else this.#settle({ failure: classifyFailure(error), detail: describeFailure(error) })
  }

  /** The time for the whole attempt is over. */
  expire(timeoutMs: number): void {
    if (this.#status !== null) this.#cut()
    else if (this.#controller === null) {
      this.#settle({ failure: 'CONNECTION_TIMEOUT', detail: `no connection within ${timeoutMs} ms` })
    } else {
      this.#settle({ failure: 'RESPONSE_TIMEOUT', detail: `no answer within ${timeoutMs} ms` })
    }
    this.#controller?.abort(new Error('the time for the attempt is over'))
  }

  /** The caller does not want the outcome any more. */
  cancel(reason: Error): void {
    this.#reject(reason)
    this.#controller?.abort(reason)
  }

  /** Settles with what has come; the rest is never read, because the connection goes with it. */
  #cut(): void {
    this.#settle(null)
    this.#controller?.abort(new Error('the rest of the response is not wanted'))
  }

  #settle(trouble: Trouble | null, { isComplete } = { isComplete: false }): void {
    if (this.#isSettled) return
    this.#isSettled = true
    const response = this.#status === null ? null : this.#response(this.#status, isComplete)
    this.#settlement.resolve({
      startedAt: this.#startedAt,
      durationMs: performance.now() - this.#startMs,
      response,
      ...judge(response, trouble),
      retryAfter: this.#header('retry-after'),
    })
  }

  #reject(error: Error): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#settlement.reject(error)
  }

  #response(status: number, isComplete: boolean): AttemptResponse {
    return {
      status,
      headers: this.#headers,
      // A copy, even of one chunk: a chunk is a view on a socket's whole read buffer and would keep that alive.
      body: Buffer.concat(this.#chunks, this.#keptBytes),
      isTruncated: !isComplete,
      announcedBytes: parseLength(this.#header('content-length')),
    }
  }

  #header(name: string): string | null {
    const pair = this.#headers.find(([other]) => other.length === name.length && other.toLowerCase() === name)
    return pair === undefined ? null : pair[1]
  }
}

interface Trouble {
  failure: NonNullable<AttemptOutcome['failure']>
  detail: string
}

/** The status line, once it is there, decides alone. */
function judge(
  response: AttemptResponse | null,
  trouble: Trouble | null,
): Pick<AttemptOutcome, 'failure' | 'failureDetail'> {
  if (response === null)
    return { failure: trouble?.failure ?? 'RESPONSE_INVALID', failureDetail: trouble?.detail ?? null }
  const isSuccess = response.status >= 200 && response.status < 300
  return { failure: isSuccess ? null : 'STATUS', failureDetail: null }
}

/** undici gives name, value, name, value …, as bytes. Read as Latin-1, which loses none of them. */
function keepHeaders(raw: Dispatcher.DispatchController['rawHeaders']): [string, string][] {
  const headers: [string, string][] = []
  if (!Array.isArray(raw)) return headers
  let bytes = 0
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? ''
    const value = raw[index + 1] ?? ''
    bytes += name.length + value.length
    if (bytes > MAX_HEADERS_BYTES) break
    headers.push([name.toString('latin1'), value.toString('latin1')])
  }
  return headers
}

function parseLength(text: string | null): number | null {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null
}
