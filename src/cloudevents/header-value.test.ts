import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeHeaderValue, encodeHeaderValue } from './header-value.ts'

// The example of the HTTP binding, section 3.1.3.2.
const euro = ['Euro € 😀', 'Euro%20%E2%82%AC%20%F0%9F%98%80'] as const

test("the specification's example is encoded and decoded as it says", () => {
  expect(encodeHeaderValue(euro[0])).toBe(euro[1])
  expect(decodeHeaderValue(euro[1])).toBe(euro[0])
})

test('every well-formed string survives the way through a header field', () => {
  const strings = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }), fc.string())
  fc.assert(
    fc.property(strings, (text) => {
      const field = encodeHeaderValue(text)
      expect(field).toMatch(/^[\x21-\x7e]*$/)
      expect(decodeHeaderValue(field)).toBe(text)
    }),
  )
})

test('decoding never throws, and what it gives is well-formed', () => {
  const unit = fc.constantFrom('%', '"', '\\', 'C', '0', 'A', ' ', '\t', 'é', '\u{ff}', '€')
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit }), fc.string({ unit: 'binary' })), (field) => {
      expect(decodeHeaderValue(field)?.isWellFormed() ?? true).toBe(true)
    }),
  )
})

test.each([
  ['"in quotes"', 'in quotes'],
  [String.raw`"a \"quoted\" \\ word"`, String.raw`a "quoted" \ word`],
  ['"a%20b"', 'a b'],
  ['%e2%82%ac', '€'],
  ['%41', 'A'],
  ['%2541', '%41'],
  ['a b', 'a b'],
  ['"', '"'],
  ['', ''],
])('%s is read as %s', (field, text) => {
  expect(decodeHeaderValue(field)).toBe(text)
})

test.each(['%C0%A0', '%ED%A0%80', '%FF', '%E2%82', '%', '100%', '%4', '%GG', 'caf\u00e9'])('%s is refused', (field) => {
  expect(decodeHeaderValue(field)).toBeNull()
})
