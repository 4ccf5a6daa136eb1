import { expect, test } from 'vitest'
import { createPace } from './pace.ts'

/** Sends as fast as it may for so long. @returns when each was sent. */
function sendFor(durationMs: number, limit: { count: number; windowMs: number }, stepMs: () => number): number[] {
  let now = 0
  let pace = createPace(null, () => now)
  const sent: number[] = []
  while (now < durationMs) {
    const wait = pace.take(limit)
    if (wait === 0) sent.push(now)
    now += Math.max(wait, stepMs())
    // Each time another process takes over.
    if (sent.length % 3 === 0) pace = createPace(pace.text(), () => now)
  }
  return sent
}

function mostInAnyWindow(sent: readonly number[], windowMs: number): number {
  let first = 0
  const held = sent.map((at, place) => {
    while ((sent[first] ?? at) <= at - windowMs) first += 1
    return place - first + 1
  })
  return Math.max(...held)
}

test.each([
  { count: 1, windowMs: 1_000 },
  { count: 7, windowMs: 1_000 },
  { count: 100, windowMs: 60_000 },
  { count: 500, windowMs: 1_000 },
])('no window holds more than $count in $windowMs ms, however they fall, and over any number of holders', (limit) => {
  let seed = 1
  const uneven = () => {
    seed = (seed * 48_271) % 2_147_483_647
    return (seed % 100) * (limit.windowMs / limit.count / 60)
  }
  const sent = sendFor(10 * limit.windowMs, limit, uneven)
  expect(mostInAnyWindow(sent, limit.windowMs)).toBe(limit.count)
  expect(sent.length).toBeGreaterThan(7 * limit.count)
})

test('what is allowed goes at once', () => {
  const pace = createPace(null, () => 5)
  const limit = { count: 50, windowMs: 60_000 }
  expect(Array.from({ length: 50 }, () => pace.take(limit)).every((wait) => wait === 0)).toBe(true)
  expect(pace.take(limit)).toBe(60_000)
})

test('a limit that is changed holds for what comes next, and none holds nobody up', () => {
  let now = 0
  const pace = createPace(null, () => now)
  const many = { count: 10, windowMs: 1_000 }
  for (; now < 1_000; now += 100) pace.take(many)
  const few = { count: 2, windowMs: 1_000 }
  expect(pace.take(few)).toBe(800)
  expect(pace.take(null)).toBe(0)
  expect(pace.take(few)).toBe(0)
})

test('the log stays small, whatever the rate and however many holders', () => {
  let now = 0
  let pace = createPace(null, () => now)
  for (; now < 3_000; now += 0.25) {
    pace.take({ count: 100_000, windowMs: 1_000 })
    if (now % 1 === 0) pace = createPace(pace.text(), () => now)
  }
  expect(JSON.parse(pace.text() ?? '').length).toBeLessThan(25)
})
