import { expect, test } from 'vitest'
import { slotOf } from './slot.ts'

// As `cluster keyslot` of Redis 7.0 answers.
test.each([
  ['123456789', 12_739],
  ['', 0],
  ['hookline:source:a', 3_907],
  ['Größe 😀', 12_958],
  ['{user1000}.following', 3_443],
  ['foo{}{bar}', 8_363],
  ['foo{{bar}}zap', 4_015],
  ['foo{bar}{zap}', 5_061],
  ['foo{bar', 15_278],
])('the slot of %j is that of Redis', (name, slot) => {
  expect(slotOf(name)).toBe(slot)
})
