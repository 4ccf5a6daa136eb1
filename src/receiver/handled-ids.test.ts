import { expect, test } from 'vitest'
import { createHandledIds } from './handled-ids.ts'

test('an id is running until it is kept or released', () => {
  const ids = createHandledIds()
  expect(ids.claim('a')).toBe('new')
  expect(ids.claim('a')).toBe('running')
  ids.release('a')
  expect(ids.claim('a')).toBe('new')
  ids.keep('a')
  expect(ids.claim('a')).toBe('handled')
  expect(ids.claim('b')).toBe('new')
})

test('no more are remembered than allowed, and the oldest go first', () => {
  const ids = createHandledIds({ maxCount: 2 })
  for (const id of ['a', 'b', 'c']) ids.keep(id)
  expect(['a', 'b', 'c'].map((id) => ids.claim(id))).toEqual(['new', 'handled', 'handled'])
})

test('they are forgotten when they are old', () => {
  let nowMs = 0
  const ids = createHandledIds({ maxAgeMs: 1_000, now: () => nowMs })
  ids.keep('a')
  nowMs = 999
  expect(ids.claim('a')).toBe('handled')
  nowMs = 1_000
  expect(ids.claim('a')).toBe('new')
})
