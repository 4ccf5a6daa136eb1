import { expect, test } from 'vitest'
import { numberTextIn, parseJsonPointer, parseWithDigits, valueAt } from './json-pointer.ts'

// RFC 6901, section 5.
const text = `{
  "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\\\j": 5, "k\\"l": 6, " ": 7, "m~n": 8
}`
const document = JSON.parse(text)
const at = (pointer: string) => valueAt(document, parseJsonPointer(pointer) ?? ['no pointer'])

test.each([
  ['', document],
  ['/foo', ['bar', 'baz']],
  ['/foo/0', 'bar'],
  ['/', 0],
  ['/a~1b', 1],
  ['/c%d', 2],
  ['/e^f', 3],
  ['/g|h', 4],
  ['/i\\j', 5],
  ['/k"l', 6],
  ['/ ', 7],
  ['/m~0n', 8],
])("the standard's example %j", (pointer, value) => {
  expect(at(pointer)).toEqual(value)
})

test.each(['/foo/2', '/foo/-', '/foo/00', '/foo/length', '/foo/0/0', '/~01', '/nothing', '/toString', '/__proto__'])(
  'there is nothing at %s',
  (pointer) => {
    expect(at(pointer)).toBeUndefined()
  },
)

test('a member with a name of evil is a member', () => {
  expect(valueAt(JSON.parse('{"__proto__":{"x":1}}'), ['__proto__', 'x'])).toBe(1)
})

test.each(['foo', '/~', '/~2', '/a~', ' /a', '#/a'])('%j is no pointer', (pointer) => {
  expect(parseJsonPointer(pointer)).toBeNull()
})

test.each([
  ['{"a":[12345678901234567890]}', ['a', '0'], '12345678901234567890'],
  ['{"a":1.50}', ['a'], '1.50'],
  ['{"a":1.5}', ['a'], '1.5'],
  ['{"a":-0}', ['a'], '-0'],
  ['{"a":1,"a":1e400}', ['a'], '1e400'],
  ['{"a":"1"}', ['a'], null],
  ['[]', ['0'], null],
])('the digits that stand in %s', (json, names, digits) => {
  expect(numberTextIn(parseWithDigits(json), names)).toBe(digits)
})
