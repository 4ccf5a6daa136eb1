import { expect, test } from 'vitest'
import { filterText, readFilterText } from './stored-filter.ts'

const { rawJSON } = JSON as typeof JSON & { rawJSON(text: string): object }

test.each([
  '{"types":["order.*"]}',
  '{"all":[{"data":{"pointer":"/a","value":1}},{"not":{"data":{"pointer":"/b","value":-0.25}}}]}',
  '{"data":{"pointer":"/id","value":12345678901234567890}}',
  '{"data":{"pointer":"/id","value":"12345678901234567890"}}',
  '{"data":{"pointer":"","value":1.00000000000000000001}}',
])('the filter %s reads as it was written', (text) => {
  expect(filterText(readFilterText(text))).toBe(text)
})

test('a number that a double holds is a number, any other keeps its digits', () => {
  expect(readFilterText('{"data":{"pointer":"/n","value":17}}').data?.value).toBe(17)
  const value = rawJSON('12345678901234567890')
  expect(filterText(readFilterText(filterText({ data: { pointer: '/n', value } })))).toContain('12345678901234567890')
})
