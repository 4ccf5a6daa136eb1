import { parseConstValue } from 'graphql'
import { expect, test } from 'vitest'
import { parseJsonLiteral, parseJsonValue } from './json-input.ts'

const written = (literal: string) => JSON.stringify(parseJsonLiteral(parseConstValue(literal)))

test.each([
  ['{ a: [1, -2.5, "x", true, null, {}] }', '{"a":[1,-2.5,"x",true,null,{}]}'],
  ['[1e2, 0.10, -0.0]', '[100,0.1,0]'],
  ['{ __proto__: { polluted: true } }', '{"__proto__":{"polluted":true}}'],
])('JSON in a document, %s, is taken as what it says', (literal, json) => {
  expect(written(literal)).toBe(json)
  expect({}).not.toHaveProperty('polluted')
})

test.each(['12345678901234567890', '-0.12345678901234567', '1e400', '1.5e-400', '9007199254740993'])(
  'the number %s in a document keeps its digits',
  (number) => {
    expect(written(`{ n: [${number}] }`)).toBe(`{"n":[${number}]}`)
  },
)

test('an enum value is no JSON', () => {
  expect(() => written('{ a: B }')).toThrow('JSON has')
})

const nested = (depth: number) => JSON.parse('['.repeat(depth) + ']'.repeat(depth))

test('JSON nests 500 deep at most, and what nests deeper is refused, however deep', () => {
  expect(parseJsonValue(nested(500))).toEqual(nested(500))
  for (const depth of [501, 100_000]) expect(() => parseJsonValue(nested(depth))).toThrow('500 deep')
  expect(() => written(nestedText(501))).toThrow('500 deep')
  expect(parseJsonValue(Array(300_000).fill({}))).toHaveLength(300_000)
})

const nestedText = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
