import type { RetryPolicy } from '../endpoints/retry-policy.ts'

const secondMs = 1000
const minuteMs = 60 * secondMs
const hourMs = 60 * minuteMs

/** The longest that a receiver may ask one delivery to wait: as long as the longest delay that we would choose ourselves. */
const longestRetryAfterMs = 24 * hourMs

/**
 * The longest that one answer holds back all deliveries of an endpoint. Whoever asks for more is asked again by one of
 * them, and may say so again.
 */
const longestThrottleMs = hourMs

/** How long an endpoint is left alone that does not say how long: doubled with each attempt of the delivery. */
const throttleMs = { first: secondMs, longest: 30 * secondMs }

/** Standard Webhooks asks senders to stop then. */
const goneStatus = 410

/** Too many requests, or nobody there just now: what comes next would be answered alike. */
const throttlingStatuses: ReadonlySet<number> = new Set([429, 502, 503, 504])

const requestTimeout = 408

export interface AttemptResult {
  /** 1-based; the first try is 1. */
  readonly attemptNumber: number
  /** Null when no answer came. */
  readonly status: number | null
  /** From `Retry-After`; null when absent. */
  readonly retryAfterSeconds: number | null
}

/** What follows one attempt: for its delivery, and for all that waits for the same endpoint. */
export type Decision = DeliveryDecision & {
  /** How long the endpoint gets nothing; null when it may get more at once. */
  readonly throttleMs: number | null
}

export type DeliveryDecision =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'retry'; readonly delayMs: number }
  /** `isGone`: the receiver said that it will not come back; the endpoint is to be disabled. */
  | { readonly kind: 'failed'; readonly isGone: boolean }

/**
 * Chooses what follows one attempt. Pure: no clock, no I/O.
 *
 * @param random in [0, 1), for the jitter. It only ever adds, so that a receiver is never asked sooner than the policy or
 *   its own `Retry-After` says, and a backlog that failed in one moment does not come back in one.
 * @returns on retry, `delayMs` is at least the policy's own delay.
 * @throws RangeError when attemptNumber < 1 (a bug, not bad input).
 * @see Standard Webhooks, "Deliverability and reliability"
 */
export function decideNext(result: AttemptResult, policy: RetryPolicy, random: number): Decision {
  const { attemptNumber } = result
  if (!Number.isInteger(attemptNumber) || attemptNumber < 1) throw new RangeError(`attempt number ${attemptNumber}`)
  return { ...decideDelivery(result, policy, random), throttleMs: throttleOf(result) }
}

/**
 * Whether a failure speaks against the endpoint rather than against the message: nobody answered, or the server has
 * troubles of its own. Any other answer shows that somebody is there, who does not want this message.
 */
export function isOutage(status: number | null): boolean {
  return status === null || status >= 500 || status === 429 || status === requestTimeout
}

/** Whether the receiver said that it will not come back. */
export function isGone(decision: DeliveryDecision): boolean {
  return decision.kind === 'failed' && decision.isGone
}

function decideDelivery(result: AttemptResult, policy: RetryPolicy, random: number): DeliveryDecision {
  const { attemptNumber, status } = result
  if (status !== null && status >= 200 && status < 300) return { kind: 'delivered' }
  if (status === goneStatus) return { kind: 'failed', isGone: true }
  if (status !== null && policy.finalStatuses.includes(status)) return { kind: 'failed', isGone: false }
  const ownDelayMs = policy.delaysMs[attemptNumber - 1]
  if (ownDelayMs === undefined) return { kind: 'failed', isGone: false }
  const delayMs = Math.max(ownDelayMs, clampedMs(result.retryAfterSeconds ?? 0, longestRetryAfterMs))
  return { kind: 'retry', delayMs: delayMs * (1 + (policy.jitterPercent / 100) * random) }
}

function throttleOf({ status, retryAfterSeconds, attemptNumber }: AttemptResult): number | null {
  if (status === null || !throttlingStatuses.has(status)) return null
  if (retryAfterSeconds !== null) return clampedMs(retryAfterSeconds, longestThrottleMs)
  return Math.min(throttleMs.first * 2 ** (attemptNumber - 1), throttleMs.longest)
}

function clampedMs(seconds: number, longestMs: number): number {
  return Math.min(Math.max(0, seconds * 1000), longestMs)
}
