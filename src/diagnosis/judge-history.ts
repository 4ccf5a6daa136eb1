import type { EndpointState } from '../endpoints/endpoint-state.ts'
import type { AttemptFailure } from '../outbound/outbound.ts'
import { percentileOf } from '../rollups/index.ts'
import { type Finding, findingsOn } from './finding.ts'
import { adviceOn } from './judge-network.ts'

/*
 * What the last 24 hours, and the endpoint's present state, say of it. Pure.
 */

/** What was counted of the endpoint. */
export interface AttemptCounts {
  readonly attemptCount: number
  /** Attempts that were answered with 2xx. */
  readonly deliveredCount: number
  /** Attempts by slot of their duration. */
  readonly histogram: readonly number[]
}

/** What went wrong with some of the latest attempts. */
export interface FailureKind {
  readonly failure: AttemptFailure
  /** Null when no answer came. */
  readonly status: number | null
  readonly count: number
}

/** Of all attempts; below the first one it is noise. */
const noticeablePart = 0.01
const seriousPart = 0.5

/** @param kinds the most frequent first. */
export function judgeFailures({ attemptCount, deliveredCount }: AttemptCounts, kinds: readonly FailureKind[]): Finding {
  const { ok, warning, problem } = findingsOn('failures')
  if (attemptCount === 0) return ok('Nothing was attempted.')
  const failedCount = Math.max(0, attemptCount - deliveredCount)
  const part = failedCount / attemptCount
  const told = `${failedCount} of ${attemptCount} attempts failed${kindsText(kinds)}.`
  if (part < noticeablePart) return ok(told)
  const [first] = kinds
  const recommendation = first === undefined ? 'Look at the attempts of its deliveries.' : adviceOnKind(first)
  return part < seriousPart ? warning(told, recommendation) : problem(told, recommendation)
}

function kindsText(kinds: readonly FailureKind[]): string {
  if (kinds.length === 0) return ''
  return `; of the latest: ${kinds.map((kind) => `${kindText(kind)} (${kind.count})`).join(', ')}`
}

function kindText({ failure, status }: FailureKind): string {
  return status === null ? failure : `status ${status}`
}

function adviceOnKind({ failure, status }: FailureKind): string {
  if (status === null) return adviceOn(failure)
  if (status < 400) return 'Redirects are not followed: set the URL that they lead to.'
  const known = adviceOnStatus.get(status)
  if (known !== undefined) return known
  return status >= 500 ? "Look into the receiver's log: it has troubles of its own." : adviceOn('STATUS')
}

const whoWeAre = 'Compare the signing secret and the authentication with what the receiver expects.'
const whereTo = 'Compare URL and method with what the receiver serves.'
const adviceOnStatus: ReadonlyMap<number, string> = new Map([
  [401, whoWeAre],
  [403, whoWeAre],
  [404, whereTo],
  [405, whereTo],
  [413, 'Let the receiver, and the proxies before it, take larger bodies.'],
  [415, 'Compare payloadFormat with the media types that the receiver takes.'],
  [429, 'Set rateLimit to what the receiver takes.'],
])

/** Of the time-out. */
const tightPart = 0.5
const exhaustedPart = 0.9

export function judgeLatency({ attemptCount, histogram }: AttemptCounts, timeoutMs: number): Finding {
  const { ok, warning, problem } = findingsOn('latency')
  if (attemptCount === 0) return ok('Nothing was attempted.')
  const p50Ms = Math.round(percentileOf(histogram, 0.5))
  const p95Ms = Math.round(percentileOf(histogram, 0.95))
  const told = `Half of the attempts took no more than ${p50Ms} ms, 95 of 100 no more than ${p95Ms} ms; the time-out is ${timeoutMs} ms.`
  const recommendation = adviceOn('RESPONSE_TIMEOUT')
  if (p95Ms >= timeoutMs * exhaustedPart) return problem(told, recommendation)
  return p95Ms >= timeoutMs * tightPart ? warning(told, recommendation) : ok(told)
}

const resume = 'resumeEndpoint lets its deliveries go.'

export function judgeState(state: EndpointState): Finding {
  const { ok, warning, problem } = findingsOn('breaker')
  const { status, disabledReason, breaker, nextProbeAt, throttledUntil, failingSince } = state
  if (status === 'disabled') {
    return problem(
      `The endpoint is disabled: ${disabledReason ?? 'for no stated reason.'}`,
      `Once it answers, ${resume}`,
    )
  }
  if (status === 'paused') return warning('The endpoint is paused: its deliveries wait.', resume)
  if (breaker !== 'closed') {
    const since = failingSince === null ? '' : ` since ${failingSince.toISOString()}`
    const next = nextProbeAt === null ? 'now' : `at ${nextProbeAt.toISOString()}`
    const told = `It has been failing${since}, so that its deliveries wait; a single attempt goes ${next}.`
    return problem(
      told,
      `Repair what the findings above name. It goes on by itself once it answers; at once, if it is to: ${resume}`,
    )
  }
  if (throttledUntil !== null) {
    return warning(
      `Its own answer holds deliveries back until ${throttledUntil.toISOString()}.`,
      'Set rateLimit to what the receiver takes.',
    )
  }
  return ok('The endpoint is active, and nothing holds its deliveries back.')
}
