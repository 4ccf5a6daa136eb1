import { expect, test } from 'vitest'
import { chanceOf } from '../../test/support/random.ts'
import { percentileOf, slotOf } from './histogram.ts'

function histogramOf(durations: readonly number[]): number[] {
  const counts: number[] = []
  for (const slot of durations.map(slotOf)) counts[slot] = (counts[slot] ?? 0) + 1
  return Array.from(counts, (count) => count ?? 0)
}

function exactPercentile(durations: readonly number[], part: number): number {
  return durations.toSorted((a, b) => a - b)[Math.max(1, Math.ceil(durations.length * part)) - 1] ?? 0
}

const chance = chanceOf(7)
const shapes: Record<string, () => number> = {
  'all the same': () => 137,
  'a few milliseconds': () => 1 + chance.below(12),
  evenly: () => chance.below(60_000),
  'mostly fast, some time out': () => (chance.below(20) === 0 ? 15_000 : 3 + chance.below(40)),
  'over all magnitudes': () => Math.round(10 ** (chance.below(4_700) / 1_000)),
}

test.each(Object.entries(shapes))('percentiles are within 10 percent of the exact ones: %s', (_, draw) => {
  for (const count of [1, 2, 99, 5_000]) {
    const durations = Array.from({ length: count }, draw)
    const histogram = histogramOf(durations)
    for (const part of [0.5, 0.95, 0.99]) {
      const exact = exactPercentile(durations, part)
      expect(Math.abs(percentileOf(histogram, part) - exact), `${count} ${part}: ${exact}`).toBeLessThanOrEqual(
        exact * 0.1,
      )
    }
  }
})

test('every duration up to a quarter of an hour is known within 10 percent', () => {
  for (let ms = 0; ms <= 900_000; ms = Math.max(ms + 1, Math.floor(ms * 1.003))) {
    expect(Math.abs(percentileOf(histogramOf([ms]), 0.5) - ms)).toBeLessThanOrEqual(ms * 0.1)
  }
})

test('what no clock could have measured is counted all the same', () => {
  expect([Number.NaN, -1, 0, Number.POSITIVE_INFINITY].map(slotOf)).toEqual([0, 0, 0, 100])
})

test('nothing counted is no duration', () => {
  expect(percentileOf([], 0.99)).toBe(0)
})
