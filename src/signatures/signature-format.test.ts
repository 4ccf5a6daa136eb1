import { expect, test } from 'vitest'
import { checkSignatureFormat, type SignatureFormat } from './index.ts'

const fit: SignatureFormat = {
  algorithm: 'HMAC_SHA256',
  content: '{id}.{timestamp}.{url}.{body}',
  header: 'X-Signature',
  prefix: 'sha256=',
  parameter: 'v1',
  encoding: 'HEX',
  idHeader: 'X-Id',
  timestampHeader: null,
  timestampParameter: 't',
  toleranceMs: 300_000,
}

test('a complete format has no issue', () => {
  expect(checkSignatureFormat(fit)).toEqual([])
  expect(checkSignatureFormat({ ...fit, timestampHeader: 'X-Time', timestampParameter: null })).toEqual([])
  const plain = { ...fit, content: '{body}', prefix: null, parameter: null, idHeader: null, timestampParameter: null }
  expect(checkSignatureFormat(plain)).toEqual([])
})

test.each<[string, Partial<SignatureFormat>, (keyof SignatureFormat)[]]>([
  ['a template without the body', { content: '{id}{timestamp}' }, ['content']],
  ['a template with two bodies', { content: '{id}{timestamp}{body}{body}' }, ['content']],
  ['an unknown variable', { content: '{timestamp}{body}{secret}' }, ['content']],
  ['an endless template', { content: `{timestamp}{body}${'x'.repeat(1_000)}` }, ['content']],
  ['an id without its place', { idHeader: null }, ['content']],
  ['a time without its place', { timestampParameter: null }, ['content']],
  ['a time that is not signed', { content: '{body}' }, ['timestampParameter']],
  ['a time in two places', { timestampHeader: 'X-Time' }, ['timestampParameter']],
  ['a time in a list that is none', { parameter: null }, ['timestampParameter']],
  ['a header that cannot be one', { header: 'X Signature' }, ['header']],
  ['a key that cannot be one', { parameter: 'v=1' }, ['parameter']],
  ['a prefix with a line break', { prefix: 'sha256\n' }, ['prefix']],
  ['a tolerance of no time', { toleranceMs: 0 }, ['toleranceMs']],
  ['a tolerance of a day', { toleranceMs: 86_400_000 }, ['toleranceMs']],
  ['a tolerance that is no number', { toleranceMs: Number.NaN }, ['toleranceMs']],
])('%s is refused', (_name, change, fields) => {
  expect(checkSignatureFormat({ ...fit, ...change }).map((issue) => issue.field)).toEqual(fields)
})
