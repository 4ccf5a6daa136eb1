import { expect, test } from 'vitest'
import { createBodyBudget } from './body-budget.ts'

const mib = 1024 * 1024

test('large bodies wait for each other, small ones for none', async () => {
  const budget = createBodyBudget(3 * mib)
  expect([budget.tryTake(2 * mib), budget.tryTake(2 * mib), budget.tryTake(mib)]).toEqual([true, false, true])
  expect(budget.tryTake(1_000)).toBe(true)
  const order: string[] = []
  const first = budget.room(2 * mib, 60_000).then(() => order.push('first'))
  const second = budget.room(mib, 60_000).then(() => order.push('second'))
  budget.give(1_000)
  budget.give(mib)
  await Promise.resolve()
  expect(order).toEqual([])
  budget.give(2 * mib)
  await first
  expect(budget.tryTake(2 * mib)).toBe(true)
  budget.give(2 * mib)
  await second
  expect(order).toEqual(['first', 'second'])
})

test('a body that is larger than all the budget goes alone', () => {
  const budget = createBodyBudget(mib)
  expect([budget.tryTake(5 * mib), budget.tryTake(mib)]).toEqual([true, false])
  budget.give(5 * mib)
  expect(budget.tryTake(mib)).toBe(true)
})

test('waiting for room ends with its time', async () => {
  const budget = createBodyBudget(mib)
  budget.tryTake(mib)
  await budget.room(mib, 10)
  expect(budget.tryTake(mib)).toBe(false)
})
