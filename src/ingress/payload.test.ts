import { expect, test, vi } from 'vitest'
import { createPayload } from './payload.ts'

const textAt = (text: string | Buffer, pointer: string) => createPayload(Buffer.from(text)).textAt(pointer)

// The examples of RFC 6901, section 5, that stand for texts and numbers.
const document = '{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\\\j":5,"k\\"l":6," ":7,"m~n":8}'

test.each<[string, string | null]>([
  ['', null],
  ['/foo', null],
  ['/foo/0', 'bar'],
  ['/foo/1', 'baz'],
  ['/foo/2', null],
  ['/foo/-', null],
  ['/foo/00', null],
  ['/foo/length', null],
  ['/', '0'],
  ['/a~1b', '1'],
  ['/c%d', '2'],
  ['/e^f', '3'],
  ['/g|h', '4'],
  ['/i\\j', '5'],
  ['/k"l', '6'],
  ['/ ', '7'],
  ['/m~0n', '8'],
  ['/absent', null],
  ['/foo/0/0', null],
  ['foo', null],
  ['/constructor', null],
  ['/__proto__', null],
])('the pointer %j finds %j in the example of its standard', (pointer, expected) => {
  expect(textAt(document, pointer)).toBe(expected)
})

test.each<[string, string | null]>([
  ['"text"', 'text'],
  ['true', 'true'],
  ['false', 'false'],
  ['null', null],
  ['12', '12'],
  ['-0.5', '-0.5'],
  ['1.10', '1.10'],
  ['9007199254740993', '9007199254740993'],
  ['12345678901234567890', '12345678901234567890'],
  ['1e400', '1e400'],
  ['{}', null],
  ['[]', null],
])('the value %s counts as %j', (value, expected) => {
  expect(textAt(`{"a":${value}}`, '/a')).toBe(expected)
})

test('a member named like a prototype is a member like any other', () => {
  expect(textAt('{"__proto__":{"a":"b"}}', '/__proto__/a')).toBe('b')
  expect(textAt('{"__proto__":{"a":12345678901234567890}}', '/__proto__/a')).toBe('12345678901234567890')
})

test.each<[string, string | Buffer]>([
  ['nothing', ''],
  ['no JSON', '{"a":'],
  ['no UTF-8', Buffer.from([0x7b, 0xc3, 0x28])],
  ['too deep', '['.repeat(100_000)],
])('in a body that is %s nothing is found', (_, body) => {
  const payload = createPayload(Buffer.from(body))
  expect(payload.json()).toBeUndefined()
  expect(payload.textAt('/a')).toBeNull()
  expect(payload.textAt('')).toBeNull()
})

test('however many places hold numbers of many digits, the text is read twice at most', () => {
  const text = '{"a":12345678901234567890,"b":1.50,"c":-0.0}'
  const parse = vi.spyOn(JSON, 'parse')
  try {
    const payload = createPayload(Buffer.from(text))
    expect(['/a', '/b', '/c'].map(payload.textAt)).toEqual(['12345678901234567890', '1.50', '0'])
    expect(parse.mock.calls.filter(([parsed]) => parsed === text)).toHaveLength(2)
  } finally {
    parse.mockRestore()
  }
})
