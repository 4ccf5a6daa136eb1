import { expect, test } from 'vitest'
import { createOriginCheck } from './origins.ts'

const check = createOriginCheck({
  publicUrl: 'https://hooks.example/gateway',
  allowedOrigins: ['https://app.example', 'http://localhost:3000'],
})

test.each([
  [undefined, true],
  ['https://hooks.example', true],
  ['http://inside:8787', true],
  ['https://app.example', true],
  ['http://localhost:3000', true],
  ['http://app.example', false],
  ['https://app.example:8443', false],
  ['https://app.example.evil.example', false],
  ['https://elsewhere.example', false],
  ['null', false],
  ['', false],
])('a page of %s may: %s', (origin, expected) => {
  expect(check({ host: 'inside:8787', ...(origin === undefined ? {} : { origin }) })).toBe(expected)
})
