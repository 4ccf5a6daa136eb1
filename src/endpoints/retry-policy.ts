import type { Issue } from '../kernel/outcome.ts'
import { checkWholeNumber, issue } from '../projects/input-checks.ts'
import type { Endpoint } from './endpoint.entity.ts'

/** When failed attempts are repeated. */
export interface RetryPolicy {
  /** The wait before each retry, ms; as many retries as there are waits. The first attempt waits for nothing. */
  readonly delaysMs: readonly number[]
  /** By how much each wait varies at random: up to this share is added. 0 to 50. */
  readonly jitterPercent: number
  /** Answers that end a delivery as failed. 410 always does. */
  readonly finalStatuses: readonly number[]
}

/** A policy as clients give it. */
export interface RetryPolicyInput {
  /** Left out: the standard waits. */
  readonly backoff?: BackoffInput | null | undefined
  readonly jitterPercent: number
  /** At most 50, from 300 to 599. */
  readonly finalStatuses: readonly number[]
}

/** The waits: exactly one way to say them. */
export interface BackoffInput {
  /** At most 50 of 0 to 86,400,000 ms. */
  readonly delaysMs?: readonly number[] | null | undefined
  readonly exponential?: ExponentialBackoff | null | undefined
}

/** Wait n is `initialDelayMs * multiplier^(n-1)`, at most `maxDelayMs`. */
export interface ExponentialBackoff {
  /** 0 to 50. */
  readonly maxRetries: number
  /** 0 to 86,400,000. */
  readonly initialDelayMs: number
  /** 1 to 10. */
  readonly multiplier: number
  /** 0 to 86,400,000. */
  readonly maxDelayMs: number
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

type StoredPolicy = Pick<Endpoint, 'jitterPercent' | 'finalStatuses'> & {
  /** Null: the standard ones. */
  readonly retryDelaysMs?: number[] | null | undefined
}

const defaultJitterPercent = 20

const maxRetries = 50
const delayBoundsMs = { min: 0, max: 24 * hourMs }
const jitterBounds = { min: 0, max: 50 }
const maxFinalStatuses = 50
const finalStatusBounds = { min: 300, max: 599 }
const multiplierBounds = { min: 1, max: 10 }

type Path = readonly string[]

export function checkRetryPolicy({ backoff, jitterPercent, finalStatuses }: RetryPolicyInput, path: Path): Issue[] {
  return [
    ...(backoff ? checkBackoff(backoff, [...path, 'backoff']) : []),
    ...checkWholeNumber(jitterPercent, [...path, 'jitterPercent'], jitterBounds),
    ...checkNumbers(finalStatuses, [...path, 'finalStatuses'], { most: maxFinalStatuses, bounds: finalStatusBounds }),
  ]
}

function checkBackoff({ delaysMs, exponential }: BackoffInput, path: Path): Issue[] {
  if (Boolean(delaysMs) === Boolean(exponential)) {
    return [issue('MALFORMED', path, 'The waits are said in exactly one way.')]
  }
  if (exponential) return checkExponential(exponential, [...path, 'exponential'])
  return checkNumbers(delaysMs ?? [], [...path, 'delaysMs'], { most: maxRetries, bounds: delayBoundsMs })
}

function checkExponential(given: ExponentialBackoff, path: Path): Issue[] {
  const { min, max } = multiplierBounds
  const isFitting = given.multiplier >= min && given.multiplier <= max
  return [
    ...checkWholeNumber(given.maxRetries, [...path, 'maxRetries'], { min: 0, max: maxRetries }),
    ...checkWholeNumber(given.initialDelayMs, [...path, 'initialDelayMs'], delayBoundsMs),
    ...(isFitting ? [] : [issue('OUT_OF_RANGE', [...path, 'multiplier'], `A number from ${min} to ${max} is needed.`)]),
    ...checkWholeNumber(given.maxDelayMs, [...path, 'maxDelayMs'], delayBoundsMs),
  ]
}

function checkNumbers(
  numbers: readonly number[],
  path: Path,
  { most, bounds }: { readonly most: number; readonly bounds: { min: number; max: number } },
): Issue[] {
  if (numbers.length > most) return [issue('OUT_OF_RANGE', path, `At most ${most} are possible.`)]
  return numbers.flatMap((number, position) => checkWholeNumber(number, [...path, `${position}`], bounds))
}

/** What is stored of a policy that passed the check; null is the default policy. */
export function storedPolicy(given: RetryPolicyInput | null): StoredPolicy {
  if (given === null) return { retryDelaysMs: null, jitterPercent: defaultJitterPercent, finalStatuses: [] }
  return {
    retryDelaysMs: given.backoff ? writtenOut(given.backoff) : null,
    jitterPercent: given.jitterPercent,
    finalStatuses: [...new Set(given.finalStatuses)],
  }
}

function writtenOut({ delaysMs, exponential }: BackoffInput): number[] {
  if (!exponential) return [...(delaysMs ?? [])]
  const { initialDelayMs, multiplier, maxDelayMs } = exponential
  return Array.from({ length: exponential.maxRetries }, (_, index) =>
    Math.round(Math.min(initialDelayMs * multiplier ** index, maxDelayMs)),
  )
}

/** The policy that a row stands for. */
export function policyOf({ retryDelaysMs, jitterPercent, finalStatuses }: StoredPolicy): RetryPolicy {
  return { delaysMs: retryDelaysMs ?? standardDelaysMs, jitterPercent, finalStatuses }
}
