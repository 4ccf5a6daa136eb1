import { expect, test } from 'vitest'
import { parsedPayload } from './payload.ts'

const parsed = (text: string) =>
  parsedPayload({ method: 'POST', query: null, contentType: 'application/json', body: Buffer.from(text) })

test.each<[string, string, unknown]>([
  ['an emoji as an escaped pair', '["\\ud83d\\ude00"]', ['😀']],
  ['an emoji as it is', '["😀"]', ['😀']],
  ['a backslash in front of what looks like an escape', '["\\\\u0000", "\\\\ud800"]', ['\\u0000', '\\ud800']],
  ['two backslashes in front of it', '["\\\\\\\\u0000"]', ['\\\\u0000']],
  ['an escaped control character', '["\\u0001"]', ['\u0001']],
])('%s is shown', (_, text, value) => {
  expect(parsed(text)).toEqual(value)
})

test.each<[string, string]>([
  ['an escaped NUL', '["\\u0000"]'],
  ['an escaped NUL behind a backslash', '["\\\\\\u0000"]'],
  ['an escaped NUL in a name', '{"a\\u0000":1}'],
  ['half a pair, the first', '["\\ud83d"]'],
  ['half a pair, the second, in capitals', '["\\uDE00"]'],
  ['a pair the wrong way round', '["\\ude00\\ud83d"]'],
])('%s is not shown', (_, text) => {
  expect(parsed(text)).toBeUndefined()
})
