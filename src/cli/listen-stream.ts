import { setTimeout as delay } from 'node:timers/promises'
import { Failure } from './command.ts'
import { askGateway, isFinalCode, isPassing, UnreachableGateway } from './gateway-api.ts'
import type { ConnectionEnd, Subscription } from './listen-connection.ts'
import { checkKeyQuery, type ListenEvent } from './listen-documents.ts'
import { openInbox } from './listen-inbox.ts'
import type { ListenPlace } from './listen-place.ts'
import type { Login } from './login-credentials.ts'

/*
 * The events of a source for as long as it takes: whatever connection is lost, the next one goes on after the last event
 * that the caller has dealt with, so nothing is left out and nothing comes twice. While the caller is busy events wait in
 * the inbox up to a limit; past it the connection is given up, and opened again when they are dealt with.
 */

export interface StreamOptions {
  readonly login: Login
  readonly place: ListenPlace
  /** Ends the stream. */
  readonly signal: AbortSignal
  /** The first connection stands. */
  onListening(): void
  /** A connection was lost; told once until it is back. */
  onLost(reason: string): void
  /** A connection stands again. */
  onBack(): void
}

const firstRetryMs = 250
const maxRetryMs = 15_000

/** An event counts as dealt with when the next one is asked for. @throws Failure when connecting again would not help. */
export async function* streamOf(options: StreamOptions): AsyncGenerator<ListenEvent, void, void> {
  const { login, signal } = options
  const report = createReport(options)
  while (!signal.aborted) {
    const end = yield* readConnection(options, report)
    if (end === null) continue
    if (end.kind === 'key-refused') await checkKey(login)
    if (end.kind === 'refused' && isFinalCode(end.code)) throw new Failure(refusalOf(end))
    report.lost(end.reason)
    await delay(retryDelayMs(report.failures()), undefined, { signal }).catch(() => undefined)
  }
}

/** @returns null when it ended on our side. */
async function* readConnection(
  options: StreamOptions,
  report: Report,
): AsyncGenerator<ListenEvent, ConnectionEnd | null, void> {
  const { login, place, signal } = options
  const subscription = await subscriptionOf(options)
  if (subscription === null || 'kind' in subscription) return subscription
  const inbox = openInbox({ login, subscription, signal, arrived: place.arrived })
  try {
    for (let event = await inbox.next(); event !== null; event = await inbox.next()) {
      report.up()
      yield event
      place.passed(event)
    }
  } finally {
    inbox.close()
  }
  return inbox.end()
}

/**
 * @returns null when the signal came first: a gateway that hangs is not waited for.
 * @throws Failure when asking again would not help.
 */
async function subscriptionOf({ place, signal }: StreamOptions): Promise<Subscription | ConnectionEnd | null> {
  const { promise: stopped, resolve } = Promise.withResolvers<null>()
  const stop = () => resolve(null)
  signal.addEventListener('abort', stop)
  try {
    return await Promise.race([place.subscription(), stopped])
  } catch (error) {
    if (!isPassing(error) || !(error instanceof Failure)) throw error
    return { kind: 'lost', reason: error instanceof UnreachableGateway ? error.reason : error.message }
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/**
 * A key whose rights were changed still holds: whether it may go on is told by the next subscription.
 *
 * @throws Failure when the gateway does not take the key any more.
 */
async function checkKey(login: Login): Promise<void> {
  try {
    await askGateway(login, checkKeyQuery)
  } catch (error) {
    if (!isPassing(error)) throw error
  }
}

function refusalOf({ code, reason }: { code: string; reason: string }): string {
  return code === 'FORBIDDEN' ? `${reason} It needs LISTEN, for this source.` : reason
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
  let hasListened = false
  let failures = 0
  return {
    up() {
      if (!hasListened) onListening()
      else if (state === 'lost') onBack()
      hasListened = true
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

/** Grows with the failures in a row, 1 or more; half of it is left to chance, so that many clients do not come back at once. */
function retryDelayMs(failures: number): number {
  const ceilingMs = Math.min(maxRetryMs, firstRetryMs * 2 ** Math.min(failures - 1, 10))
  return ceilingMs * (0.5 + Math.random() / 2)
}
