import { setTimeout as delay } from 'node:timers/promises'
import { Failure } from './command.ts'
import { refusedKey } from './gateway-api.ts'
import { type ConnectionEnd, openConnection } from './listen-connection.ts'
import { type ListenEvent, listenSubscription } from './listen-documents.ts'
import type { Login } from './login-credentials.ts'

/*
 * The events of a source for as long as it takes: whatever connection is lost, the next one goes on after the last event
 * that the caller has dealt with, so nothing is left out and nothing comes twice. While the caller is busy events wait
 * here up to a limit; past it the connection is given up and opened again when they are dealt with, from the same place.
 */

export interface StreamOptions {
  readonly login: Login
  readonly sourceId: string
  /** RFC 3339: begin with what was received from then on; null: with the next to come. */
  readonly since: string | null
  /** Null: all. */
  readonly filter: object | null
  /** Ends the stream. */
  readonly signal: AbortSignal
  /** The first connection stands. */
  onListening(): void
  /** A connection was lost; told once until it is back. */
  onLost(reason: string): void
  /** A connection stands again. */
  onBack(): void
}

const maxWaitingBytes = 16 * 1024 * 1024
const firstRetryMs = 250
const maxRetryMs = 15_000
/** Refusals that come again however often one asks. */
const finalCodes = ['UNAUTHENTICATED', 'FORBIDDEN', 'NOT_FOUND', 'BAD_USER_INPUT', 'CURSOR_EXPIRED', 'QUERY_TOO_LARGE']

/** An event counts as dealt with when the next one is asked for. @throws Failure when connecting again would not help. */
export async function* streamOf(options: StreamOptions): AsyncGenerator<ListenEvent, void, void> {
  const { login, signal } = options
  const report = createReport(options)
  let after: string | null = null
  while (!signal.aborted) {
    const inbox = connect(options, after)
    try {
      for (let event = await inbox.next(); event !== null; event = await inbox.next()) {
        report.up()
        yield event
        after = event.cursor
      }
    } finally {
      inbox.close()
    }
    const end = inbox.end()
    // Ended on our side: stopped, or too much was waiting.
    if (end === null) continue
    if (isFinal(end)) throw new Failure(end.kind === 'key-refused' ? refusedKey(login.url) : end.reason)
    report.lost(end.reason)
    await delay(retryDelayMs(report.failures()), undefined, { signal }).catch(() => undefined)
  }
}

interface Report {
  up(): void
  lost(reason: string): void
  /** Lost connections since the last event. */
  failures(): number
}

/** Tells of each change once. */
function createReport({ onListening, onLost, onBack }: StreamOptions): Report {
  let state: 'new' | 'up' | 'lost' = 'new'
  let failures = 0
  return {
    up() {
      if (state === 'new') onListening()
      if (state === 'lost') onBack()
      state = 'up'
      failures = 0
    },
    lost(reason) {
      if (state !== 'lost') onLost(reason)
      state = 'lost'
      failures += 1
    },
    failures: () => failures,
  }
}

interface Inbox {
  /** Null at the end of the connection, when all is taken. */
  next(): Promise<ListenEvent | null>
  /** Null when it ended on our side. */
  end(): ConnectionEnd | null
  close(): void
}

function connect({ login, sourceId, since, filter, signal }: StreamOptions, after: string | null): Inbox {
  const waiting: { event: ListenEvent; bytes: number }[] = []
  let waitingBytes = 0
  let isOver = false
  let end: ConnectionEnd | null = null
  let wake = () => {}

  const variables = { sourceIds: [sourceId], after: after === null ? null : [after], since, filter }
  const connection = openConnection(
    login,
    { query: listenSubscription, variables },
    {
      onEvent(event, bytes) {
        if (isOver) return
        waiting.push({ event, bytes })
        waitingBytes += bytes
        if (waitingBytes > maxWaitingBytes) stop()
        wake()
      },
      onEnd(reason) {
        if (!isOver) end = reason
        isOver = true
        wake()
      },
    },
  )
  signal.addEventListener('abort', stop, { once: true })

  function stop(): void {
    isOver = true
    connection.close()
    wake()
  }

  return {
    async next() {
      while (waiting.length === 0 && !isOver) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      const first = signal.aborted ? undefined : waiting.shift()
      if (first === undefined) return null
      waitingBytes -= first.bytes
      return first.event
    },
    end: () => end,
    close() {
      signal.removeEventListener('abort', stop)
      stop()
    },
  }
}

function isFinal(end: ConnectionEnd): boolean {
  return end.kind === 'key-refused' || (end.kind === 'refused' && finalCodes.includes(end.code))
}

/** Grows with the failures in a row, 1 or more; half of it is left to chance, so that many clients do not come back at once. */
function retryDelayMs(failures: number): number {
  const ceilingMs = Math.min(maxRetryMs, firstRetryMs * 2 ** Math.min(failures - 1, 10))
  return ceilingMs * (0.5 + Math.random() / 2)
}
