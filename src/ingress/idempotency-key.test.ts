import { expect, test } from 'vitest'
import { parseIdempotencyKey } from './idempotency-key.ts'

const keyOf = (...values: string[]) => {
  const { key, problem } = {
    key: undefined,
    ...parseIdempotencyKey(values.flatMap((value) => ['Idempotency-Key', value])),
  }
  return problem?.code ?? key
}

test.each<[string, string[], string | null]>([
  ['absent', [], null],
  ['bare', ['8e03978e-40d5'], '8e03978e-40d5'],
  ['quoted', ['"8e03978e-40d5"'], '8e03978e-40d5'],
  ['quoted with escapes', ['"a\\"b\\\\c"'], 'a"b\\c'],
  ['of 256 characters', ['k'.repeat(256)], 'k'.repeat(256)],
  ['of 256 characters in quotes', [`"${'k'.repeat(256)}"`], 'k'.repeat(256)],
])('a key that is %s is read', (_, values, key) => {
  expect(keyOf(...values)).toBe(key)
})

test.each<[string, string[]]>([
  ['empty', ['']],
  ['empty in quotes', ['""']],
  ['of 257 characters', ['k'.repeat(257)]],
  ['of 257 characters in quotes', [`"${'k'.repeat(257)}"`]],
  ['sent twice', ['a', 'a']],
  ['two keys that a proxy joined', ['"a", "b"']],
  ['not ended', ['"a']],
  ['half escaped', ['"a\\b"']],
  ['with a control character', ['a\tb']],
  ['not ASCII', [Buffer.from('é').toString('latin1')]],
])('a key that is %s is refused', (_, values) => {
  expect(keyOf(...values)).toBe('IDEMPOTENCY_KEY_MALFORMED')
})
