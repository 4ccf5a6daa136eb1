import { expect, test } from 'vitest'
import { createSubscriptionLimit } from './subscription-limit.ts'

test('a project has as many streams as it may, whatever others have', () => {
  const limit = createSubscriptionLimit(2)
  const [first, second] = [limit.take('a'), limit.take('a')]
  expect(limit.take('a')).toBeNull()
  expect(limit.take('b')).not.toBeNull()
  first?.()
  first?.()
  expect(limit.take('a')).not.toBeNull()
  expect(limit.take('a')).toBeNull()
  second?.()
  expect(limit.take('a')).not.toBeNull()
})
