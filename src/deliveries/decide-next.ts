/** When failed deliveries are attempted again. */
export interface RetryPolicy {
  /** The delay before each attempt, the first one's included; as many attempts as there are delays. Milliseconds. */
  readonly delaysMs: readonly number[]
}

const secondMs = 1000
const minuteMs = 60 * secondMs
const hourMs = 60 * minuteMs

/**
 * Ten attempts over a little more than three days.
 *
 * @see Standard Webhooks, "Deliverability and reliability"
 */
export const standardRetryPolicy: RetryPolicy = {
  delaysMs: [
    0,
    5 * secondMs,
    5 * minuteMs,
    30 * minuteMs,
    2 * hourMs,
    5 * hourMs,
    10 * hourMs,
    14 * hourMs,
    20 * hourMs,
    24 * hourMs,
  ],
}

/** The longest that a receiver may ask for: no longer than the longest delay that we would choose ourselves. */
const longestRetryAfterMs = 24 * hourMs
/**
 * Up to a tenth is added, so that a backlog that failed in one moment does not come back in one. Added only: a receiver
 * is never asked sooner than the schedule or its own `Retry-After` says.
 */
const jitter = 0.1

/** The receiver will not come back: Standard Webhooks asks senders to stop. */
const gone = 410

export interface AttemptResult {
  /** 1-based; the first try is 1. */
  readonly attemptNumber: number
  /** Null when no answer came. */
  readonly status: number | null
  /** From `Retry-After`; null when absent. */
  readonly retryAfterSeconds: number | null
}

export type Decision =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'retry'; readonly delayMs: number }
  | { readonly kind: 'failed' }

/**
 * Chooses what follows one attempt. Pure: no clock, no I/O.
 *
 * @param random in [0, 1), for the jitter.
 * @returns on retry, `delayMs` is at least the policy's own delay.
 * @throws RangeError when attemptNumber < 1 (a bug, not bad input).
 * @see Standard Webhooks, "Deliverability and reliability"
 */
export function decideNext(result: AttemptResult, policy: RetryPolicy, random: number): Decision {
  const { attemptNumber, status } = result
  if (!Number.isInteger(attemptNumber) || attemptNumber < 1) throw new RangeError(`attempt number ${attemptNumber}`)
  if (status !== null && status >= 200 && status < 300) return { kind: 'delivered' }
  if (status === gone) return { kind: 'failed' }
  const ownDelayMs = policy.delaysMs[attemptNumber]
  if (ownDelayMs === undefined) return { kind: 'failed' }
  const askedMs = Math.min(Math.max(0, (result.retryAfterSeconds ?? 0) * 1000), longestRetryAfterMs)
  return { kind: 'retry', delayMs: Math.max(ownDelayMs, askedMs) * (1 + jitter * random) }
}
