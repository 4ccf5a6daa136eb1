import { expect, test } from 'vitest'
import { decideNext, standardRetryPolicy } from './decide-next.ts'
import { parseRetryAfter } from './retry-after.ts'

const hourMs = 3_600_000
const result = (over: object) => ({ attemptNumber: 1, status: 500, retryAfterSeconds: null, ...over })
const decide = (over: object, random = 0) => decideNext(result(over), standardRetryPolicy, random)

test.each([200, 201, 204, 299])('%i is delivered', (status) => {
  expect(decide({ status })).toEqual({ kind: 'delivered' })
})

test.each([null, 199, 300, 301, 400, 404, 429, 500, 502, 504])('after %s it is tried again', (status) => {
  expect(decide({ status })).toEqual({ kind: 'retry', delayMs: 5_000 })
})

test('a receiver answering 410 is never tried again', () => {
  expect(decide({ status: 410 })).toEqual({ kind: 'failed' })
})

test('retries follow the schedule of Standard Webhooks, and the tenth failure is the last', () => {
  const delays = Array.from({ length: 9 }, (_, i) => decide({ attemptNumber: i + 1 }))
  const seconds = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
  expect(delays).toEqual(seconds.map((s) => ({ kind: 'retry', delayMs: s * 1000 })))
  expect(decide({ attemptNumber: 10 })).toEqual({ kind: 'failed' })
  expect(decide({ attemptNumber: 10, status: 200 })).toEqual({ kind: 'delivered' })
})

test('jitter only ever adds, and at most a tenth', () => {
  expect(decide({ attemptNumber: 2 }, 0.999)).toEqual({ kind: 'retry', delayMs: expect.closeTo(329_970) })
})

test.each([
  ['shorter than the schedule', 1, 5_000],
  ['longer than the schedule', 60, 60_000],
  ['absurd', 1e99, 24 * hourMs],
  ['endless', Number.POSITIVE_INFINITY, 24 * hourMs],
  ['negative', -5, 5_000],
])('a Retry-After that is %s is kept within bounds', (_name, retryAfterSeconds, delayMs) => {
  expect(decide({ status: 429, retryAfterSeconds })).toEqual({ kind: 'retry', delayMs })
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
  ['Thu, 01 Jan 2026 00:01:00 GMT', 60],
  ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
  ['Fri, 31 Dec 9999 23:59:59 GMT', 251_635_075_199],
])('Retry-After %j reads as %s', (value, seconds) => {
  expect(parseRetryAfter(value, nowMs)).toEqual(seconds)
})
