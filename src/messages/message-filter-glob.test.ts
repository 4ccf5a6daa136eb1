import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileGlob } from './message-filter-glob.ts'

test.each([
  ['order.*', ['order.', 'order.created', 'order.*'], ['order', 'orders.created', 'Order.created', 'x.order.created']],
  ['*.created', ['.created', 'order.created'], ['created', 'order.created.x']],
  ['*', ['', 'x', '\n'], []],
  ['**', ['', 'x'], []],
  ['a*b*a', ['aba', 'abba', 'axbxa'], ['a', 'aa', 'ab', 'ba', 'abab']],
  ['ab*ba', ['abba', 'abxba'], ['aba', 'ab']],
  ['a.c', ['a.c'], ['abc']],
  ['(a+)+$', ['(a+)+$'], ['aaaa']],
])('%s', (glob, fitting, others) => {
  const fits = compileGlob(glob)
  expect(fitting.filter((text) => !fits(text))).toEqual([])
  expect(others.filter(fits)).toEqual([])
})

/** As the words say: a star takes nothing, or one character and itself again. */
function fitsSlowly(glob: string, text: string): boolean {
  if (glob === '') return text === ''
  if (glob[0] !== '*') return glob[0] === text[0] && fitsSlowly(glob.slice(1), text.slice(1))
  return fitsSlowly(glob.slice(1), text) || (text !== '' && fitsSlowly(glob, text.slice(1)))
}

test('every pattern holds exactly for what it says', () => {
  const glob = fc.string({ unit: fc.constantFrom('a', 'b', '*', '.'), maxLength: 8 })
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 10 })
  fc.assert(
    fc.property(glob, text, (pattern, given) => {
      expect({ pattern, given, fits: compileGlob(pattern)(given) }).toEqual({
        pattern,
        given,
        fits: fitsSlowly(pattern, given),
      })
    }),
    { numRuns: 10_000 },
  )
})

test('no pattern and no text is too strange', () => {
  const any = fc.oneof(fc.string({ unit: 'binary' }), fc.string(), fc.constant('\ud800'))
  fc.assert(fc.property(any, any, (glob, text) => typeof compileGlob(glob)(text) === 'boolean'))
  fc.assert(fc.property(any, (text) => compileGlob(text.replaceAll('*', ''))(text.replaceAll('*', ''))))
})

test.each([
  ['many stars', `${'a*'.repeat(120)}b`],
  ['stars that end elsewhere', `${'*a'.repeat(120)}*b*`],
  ['a piece that nearly fits everywhere', `*${'a'.repeat(120)}b${'a'.repeat(120)}*`],
  ['a piece that fits but for its beginning', `*b${'a'.repeat(250)}*`],
])('%s cost no more than a look through the text', (_name, glob) => {
  const fits = compileGlob(glob)
  const text = 'a'.repeat(1_000_000)
  const startedMs = performance.now()
  expect(fits(text)).toBe(false)
  // It takes a tenth of this at most; a million beginnings for each star would take minutes, and worse.
  expect(performance.now() - startedMs).toBeLessThan(3_000)
})
