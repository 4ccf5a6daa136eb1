/** When failed attempts are repeated. */
export interface RetryPolicy {
  /** The wait before each retry, ms; as many retries as there are waits. The first attempt waits for nothing. */
  readonly delaysMs: readonly number[]
  /** By how much each wait varies at random: up to this share is added. 0 to 50. */
  readonly jitterPercent: number
  /** Answers that end a delivery as failed. 410 always does. */
  readonly finalStatuses: readonly number[]
}

const secondMs = 1000
const minuteMs = 60 * secondMs
const hourMs = 60 * minuteMs

/**
 * Ten attempts over a little more than three days.
 *
 * @see Standard Webhooks, "Deliverability and reliability"
 */
export const standardDelaysMs: readonly number[] = [
  5 * secondMs,
  5 * minuteMs,
  30 * minuteMs,
  2 * hourMs,
  5 * hourMs,
  10 * hourMs,
  14 * hourMs,
  20 * hourMs,
  24 * hourMs,
]
