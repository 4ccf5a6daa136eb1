import { expect, test } from 'vitest'
import { isId, newId } from './ids.ts'

test('an id names its kind and is well formed', () => {
  const id = newId('src')
  expect(id).toMatch(/^src_[0-7][0-9a-hjkmnp-tv-z]{25}$/)
  expect(isId('src', id)).toBe(true)
  expect(isId('msg', id)).toBe(false)
  expect(isId('src', 'src_')).toBe(false)
  expect(isId('src', `${id}x`)).toBe(false)
})

test('ids rise strictly and never repeat, also within a millisecond', () => {
  const ids = Array.from({ length: 20_000 }, () => newId('msg'))
  expect([...ids].sort()).toEqual(ids)
  expect(new Set(ids).size).toBe(ids.length)
})

test('an id holds the time of its creation as a version 7 UUID does', () => {
  const before = Date.now()
  const digits = [...newId('msg').slice(4)].map((c) => '0123456789abcdefghjkmnpqrstvwxyz'.indexOf(c))
  const value = digits.reduce((sum, digit) => sum * 32n + BigInt(digit), 0n)
  const ms = Number(value >> 80n)
  expect(ms).toBeGreaterThanOrEqual(before - 1000)
  expect(ms).toBeLessThanOrEqual(Date.now() + 1000)
  expect((value >> 76n) & 15n).toBe(7n)
})
