import fc from 'fast-check'
import { expect, test } from 'vitest'
import { skipValue } from './json-scan.ts'
import { itemsOf, membersOf, type Span } from './json-spans.ts'

/** Where the values of a list stand; null when it is none. */
function valuesOf(text: string): Span[] | null {
  const spans: Span[] = []
  const items = itemsOf(text, (start) => {
    const end = skipValue(text, start)
    return end === null ? null : { start, end }
  })
  for (let next = items.next(); ; next = items.next()) {
    if (next.done) return next.value ? spans : null
    spans.push(next.value)
  }
}

const space = fc.string({ unit: fc.constantFrom(' ', '\n', '\t', '\r'), maxLength: 3 })
const slices = (text: string, spans: readonly { start: number; end: number }[] | null) =>
  spans?.map(({ start, end }) => text.slice(start, end))

test('the text of each member is found as it stands', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.json()), space, (object, gap) => {
      const members = Object.entries(object).map(([name, json]) => `${gap}${JSON.stringify(name)}${gap}:${gap}${json}`)
      const text = `${gap}{${members.join(`${gap},`)}${gap}}${gap}`
      const found = membersOf(text, 100)
      expect(found?.map(({ name }) => name)).toEqual(Object.keys(object))
      expect(slices(text, found)).toEqual(Object.values(object))
    }),
  )
})

test('the text of each item is found as it stands', () => {
  fc.assert(
    fc.property(fc.array(fc.json()), space, (items, gap) => {
      const text = `${gap}[${gap}${items.join(`${gap},${gap}`)}${gap}]`
      expect(slices(text, valuesOf(text))).toEqual(items)
    }),
  )
})

test('exactly what the language reads as a list is one', () => {
  const token = fc.constantFrom(
    ...'[]{}:,"\\ 0123-+.eEtfnu\n'.split(''),
    'true',
    'null',
    '"a"',
    '"a":1',
    '\\u00e9',
    '[]',
  )
  fc.assert(
    fc.property(fc.array(token, { maxLength: 12 }), (tokens) => {
      const text = `[${tokens.join('')}]`
      expect({ text, isJson: valuesOf(text) !== null }).toEqual({ text, isJson: isJson(text) })
    }),
    { numRuns: 20_000 },
  )
})

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

test('depth costs no stack', () => {
  const deep = `${'[{"a":'.repeat(100_000)}1${'}]'.repeat(100_000)}`
  expect(slices(`[1, ${deep}]`, valuesOf(`[1, ${deep}]`))).toEqual(['1', deep])
  expect(valuesOf(`[${deep.slice(0, -1)}]`)).toBeNull()
})

test('an object is not read further than asked', () => {
  expect(membersOf('{"a":1,"b":2,"c":3 and what is no JSON', 2)).toHaveLength(3)
})

test('ten million open brackets take a few bytes each', () => {
  const many = 10_000_000
  const text = '['.repeat(many)
  const bytesBefore = process.memoryUsage().rss
  expect(valuesOf(text)).toBeNull()
  expect(process.memoryUsage().rss - bytesBefore).toBeLessThan(8 * many)
})
