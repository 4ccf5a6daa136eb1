import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { root, sourceTexts } from './source-files.ts'

const page = readFileSync(join(root, 'docs/errors.md'), 'utf8')

/** How codes stand in the source. */
const places = [
  // Made: new CodedError('X', …), requestError('X', …), problem(404, 'X', …), return ['X', 'a sentence']
  /(?:Error|unavailable|issue|malformed|problem)\(\s*(?:\d+,\s*)?'([A-Z][A-Z_]+)'/g,
  /return \['([A-Z][A-Z_]+)', ['`][^'`]* /g,
  // Told: code: 'X', failure: 'X'
  /\b(?:code|failure): '([A-Z][A-Z_]+)'/g,
  // Listed: a union type with a line for each
  /^ +\| '([A-Z][A-Z_]+)'/gm,
]

/** A union that lists names of another kind. */
const providers = /^export type VerificationPreset =\n(?: +\| '[A-Z_]+'\n)+/m

function codesInSource(): Set<string> {
  const texts = sourceTexts().map((text) => text.replace(providers, ''))
  const codes = texts.flatMap((text) =>
    places.flatMap((place) => [...text.matchAll(place)].map((match) => match[1] ?? '')),
  )
  return new Set(codes)
}

test('every code that the product can answer with is explained', () => {
  const codes = codesInSource()
  expect(codes).toContain('SIGNATURE_WRONG')
  expect([...codes].filter((code) => !page.includes(`\`${code}\``))).toEqual([])
})

test('nothing is explained that does not exist', () => {
  const text = sourceTexts().join('\n')
  const explained = [...page.matchAll(/^\| `([A-Z_]+)` +\|/gm)].map((match) => match[1] ?? '')
  expect(explained.length).toBeGreaterThan(50)
  expect(explained.filter((code) => !text.includes(`'${code}'`))).toEqual([])
})
