import fc from 'fast-check'
import { expect, expectTypeOf, test } from 'vitest'
import { compileGlob } from '../messages/message-filter-glob.ts'
import { compileTypePattern, type PayloadOf } from './type-pattern.ts'

test.each([
  ['order.created', ['order.created'], ['order.created.x', 'order_created', 'Order.created', '']],
  ['order.*', ['order.', 'order.created', 'order.line.added'], ['order', 'orders.created', 'x.order.created']],
  ['*.created', ['.created', 'order.created'], ['created', 'order.created.x']],
  ['*', ['', 'order.created'], []],
  ['a*b*a', ['aba', 'axbxa'], ['aa', 'ab', 'abab']],
])('%s', (pattern, fitting, others) => {
  const fits = compileTypePattern(pattern)
  expect(fitting.filter((type) => !fits(type))).toEqual([])
  expect(others.filter(fits)).toEqual([])
})

test('a pattern chooses the same events here as in a filter of the gateway', () => {
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '.'), maxLength: 8 })
  const type = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 10 })
  fc.assert(
    fc.property(pattern, type, (given, text) => compileTypePattern(given)(text) === compileGlob(given)(text)),
    { numRuns: 2_000 },
  )
})

interface Payloads {
  'order.created': { orderId: string }
  'order.line.added': { line: number }
  'user.created': { userId: string }
}

test('a handler is given the payloads that fit its pattern', () => {
  expectTypeOf<PayloadOf<Payloads, 'order.created'>>().toEqualTypeOf<{ orderId: string }>()
  expectTypeOf<PayloadOf<Payloads, 'order.*'>>().toEqualTypeOf<{ orderId: string } | { line: number }>()
  expectTypeOf<PayloadOf<Payloads, '*.created'>>().toEqualTypeOf<{ orderId: string } | { userId: string }>()
  expectTypeOf<PayloadOf<Payloads, '*'>>().toEqualTypeOf<Payloads[keyof Payloads]>()
  expectTypeOf<PayloadOf<Payloads, 'invoice.paid'>>().toBeUnknown()
  expectTypeOf<PayloadOf<Record<string, unknown>, 'order.*'>>().toBeUnknown()
})
