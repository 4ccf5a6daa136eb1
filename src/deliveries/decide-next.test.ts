import { expect, test } from 'vitest'
import { type RetryPolicy, standardDelaysMs } from '../endpoints/retry-policy.ts'
import { decideNext, isOutage } from './decide-next.ts'
import { parseRetryAfter } from './retry-after.ts'

const hourMs = 3_600_000
const standard: RetryPolicy = { delaysMs: standardDelaysMs, jitterPercent: 20, finalStatuses: [] }
const result = (over: object) => ({ attemptNumber: 1, status: 500, retryAfterSeconds: null, ...over })
const decide = (over: object, random = 0, policy = standard) => decideNext(result(over), policy, random)
const failed = { kind: 'failed', isGone: false, throttleMs: null }

test.each([200, 201, 204, 299])('%i is delivered', (status) => {
  expect(decide({ status })).toEqual({ kind: 'delivered', throttleMs: null })
})

test.each([null, 199, 300, 301, 400, 404, 429, 500, 502, 504])('after %s it is tried again', (status) => {
  expect(decide({ status })).toMatchObject({ kind: 'retry', delayMs: 5_000 })
})

test('a receiver answering 410 is never tried again', () => {
  expect(decide({ status: 410 })).toEqual({ kind: 'failed', isGone: true, throttleMs: null })
})

test('retries follow the schedule of Standard Webhooks, and the tenth failure is the last', () => {
  const delays = Array.from({ length: 9 }, (_, i) => decide({ attemptNumber: i + 1 }))
  const seconds = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
  expect(delays).toEqual(seconds.map((s) => ({ kind: 'retry', delayMs: s * 1000, throttleMs: null })))
  expect(decide({ attemptNumber: 10 })).toEqual(failed)
  expect(decide({ attemptNumber: 10, status: 200 })).toMatchObject({ kind: 'delivered' })
})

test("an endpoint's own policy says how often, how long, and which answers are final", () => {
  const policy = { delaysMs: [10, 20], jitterPercent: 0, finalStatuses: [400, 422] }
  const attempt = (over: object) => decide(over, 0.999, policy)
  expect(attempt({ attemptNumber: 2 })).toMatchObject({ kind: 'retry', delayMs: 20 })
  expect(attempt({ attemptNumber: 3 })).toEqual(failed)
  expect(attempt({ status: 422 })).toEqual(failed)
  expect(decide({}, 0, { ...policy, delaysMs: [] })).toEqual(failed)
})

test('jitter only ever adds, and at most the share that the policy states', () => {
  expect(decide({ attemptNumber: 2 }, 0.999)).toMatchObject({ kind: 'retry', delayMs: expect.closeTo(359_940) })
})

test.each([
  ['shorter than the schedule', 1, 5_000, 1_000],
  ['longer than the schedule', 60, 60_000, 60_000],
  ['absurd', 1e99, 24 * hourMs, hourMs],
  ['endless', Number.POSITIVE_INFINITY, 24 * hourMs, hourMs],
  ['negative', -5, 5_000, 0],
])('a Retry-After that is %s is kept within bounds', (_name, retryAfterSeconds, delayMs, throttleMs) => {
  expect(decide({ status: 429, retryAfterSeconds })).toEqual({ kind: 'retry', delayMs, throttleMs })
})

test.each([429, 502, 503, 504])('%i holds back the endpoint, longer with each attempt of a delivery', (status) => {
  const held = [1, 2, 3, 9].map((attemptNumber) => decide({ status, attemptNumber }).throttleMs)
  expect(held).toEqual([1_000, 2_000, 4_000, 30_000])
})

test.each([null, 400, 404, 410, 500, 501])('%s holds back no other delivery', (status) => {
  expect(decide({ status, retryAfterSeconds: 60 }).throttleMs).toBeNull()
})

test('no answer and troubles of the server speak against the endpoint, all else against the message', () => {
  expect([null, 408, 429, 500, 503, 599].every(isOutage)).toBe(true)
  expect([200, 301, 400, 401, 404, 410, 422].some(isOutage)).toBe(false)
})

test('an attempt number below 1 is a bug', () => {
  expect(() => decide({ attemptNumber: 0 })).toThrow(RangeError)
})

const nowMs = Date.parse('2026-01-01T00:00:00Z')

test.each([
  [null, null],
  ['', null],
  ['soon', null],
  ['120', 120],
  [' 120 ', 120],
  ['-1', 0],
  ['1e99', 1e99],
  ['9'.repeat(400), Number.POSITIVE_INFINITY],
  ['12 monkeys', null],
  ['try again in 2030', null],
  ['1 May', null],
  ['May 1', null],
  ['Monday', null],
  ['Thu, 01 Jan 2026 00:01:00 GMT', 60],
  ['Thursday, 01-Jan-26 00:01:00 GMT', 60],
  ['Thu Jan  1 00:01:00 2026', 60],
  ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
  ['Fri, 31 Dec 9999 23:59:59 GMT', 251_635_075_199],
])('Retry-After %j reads as %s', (value, seconds) => {
  expect(parseRetryAfter(value, nowMs)).toEqual(seconds)
})
