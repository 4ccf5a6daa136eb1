import { expect, test } from 'vitest'
import { emptyBucket, type StatsBucket } from './stats-bucket.ts'
import { spanMs } from './time-span.ts'
import { toldMinutes } from './told-minutes.ts'

const first = Date.UTC(2026, 10, 22, 10, 58)
const { minute } = spanMs
const bucket = (fromMs: number, receivedCount: number): StatsBucket => ({
  ...emptyBucket(fromMs, fromMs + minute),
  receivedCount,
})
const minutes = (...buckets: StatsBucket[]) => new Map(buckets.map((each) => [each.from.getTime(), each]))
const shown = (buckets: readonly StatsBucket[]) =>
  buckets.map(({ from, receivedCount }) => [(from.getTime() - first) / minute, receivedCount])

test('the running minute is told as it is, then when it changes, and a last time when it is over', () => {
  const told = toldMinutes()
  expect(shown(told.news(first + 1_000, minutes()))).toEqual([[0, 0]])
  expect(shown(told.news(first + 2_000, minutes()))).toEqual([])
  expect(shown(told.news(first + 3_000, minutes(bucket(first, 4))))).toEqual([[0, 4]])
  expect(shown(told.news(first + 4_000, minutes(bucket(first, 4))))).toEqual([])
  expect(shown(told.news(first + minute + 1_000, minutes(bucket(first, 5))))).toEqual([[0, 5]])
  const next = bucket(first + minute, 1)
  expect(shown(told.news(first + minute + 1_500, minutes(bucket(first, 5), next)))).toEqual([[1, 1]])
  expect(shown(told.news(first + minute + 2_000, minutes(bucket(first, 5), next)))).toEqual([[0, 5]])
  expect(shown(told.news(first + minute + 3_000, minutes(bucket(first, 6), next)))).toEqual([])
})

test('whoever comes later is told the running minute, with what it holds', () => {
  const told = toldMinutes()
  expect(told.running()).toEqual([])
  told.news(first, minutes(bucket(first, 3)))
  expect(shown(told.running())).toEqual([[0, 3]])
  told.news(first + minute, minutes(bucket(first, 3)))
  expect(shown(told.running())).toEqual([[1, 0]])
})

test('minutes that nobody could look at are told once, those without anything are not', () => {
  const told = toldMinutes()
  told.news(first, minutes(bucket(first, 1)))
  const missed = minutes(bucket(first, 2), bucket(first + 2 * minute, 7))
  expect(told.sinceMs()).toBe(first)
  expect(shown(told.news(first + 4 * minute + 5_000, missed))).toEqual([
    [0, 2],
    [2, 7],
  ])
  expect(told.news(first + 4 * minute + 6_000, missed)).toEqual([])
})

test('a minute that has not begun yet by the clock of the database waits for it', () => {
  const told = toldMinutes()
  const early = minutes(bucket(first + minute, 1))
  expect(shown(told.news(first + 59_000, early))).toEqual([[0, 0]])
  expect(shown(told.news(first + 60_000, early))).toEqual([[1, 1]])
})
