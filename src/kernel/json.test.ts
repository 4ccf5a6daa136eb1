import { expect, test } from 'vitest'
import { parseJson, textOf } from './json.ts'

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)

test('text of 500 levels is read, and deeper text is not', () => {
  expect(parseJson(nested(500))).toBeDefined()
  expect(parseJson(nested(501))).toBeUndefined()
  expect(parseJson(nested(100_000))).toBeUndefined()
  expect(parseJson(`{"a":${nested(500)}}`)).toBeUndefined()
})

test('brackets in strings nest nothing, whatever quotes and backslashes stand around them', () => {
  const values = ['['.repeat(600), `"${'['.repeat(600)}`, `\\${'{'.repeat(600)}`, `\\\\"${'['.repeat(600)}\\`]
  expect(parseJson(JSON.stringify(values))).toEqual(values)
})

test('broken text is not JSON', () => {
  for (const text of ['', '{"a":', '\u{feff}{}', `"${'['.repeat(600)}`, '\\'.repeat(600), `${'\\"'.repeat(600)}`])
    expect(parseJson(text)).toBeUndefined()
})

test('bytes that are not UTF-8 are no text, and a byte order mark stays', () => {
  expect(textOf(Buffer.from([0x22, 0xc3, 0x28]))).toBeNull()
  expect(textOf(Buffer.from('\u{feff}{}'))).toBe('\u{feff}{}')
})
