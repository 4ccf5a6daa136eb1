import { describe, expect, test } from 'vitest'
import { preset, verified, verify } from '../../test/support/verify-request.ts'

describe('Microsoft Graph', () => {
  const rules = preset('MICROSOFT_GRAPH')
  const secrets = ['one', 'two'].map((text) => ({ text, expiresAt: null }))
  const notify = (...states: unknown[]) => JSON.stringify({ value: states.map((clientState) => ({ clientState })) })

  test('every notification must have a clientState that is a secret', () => {
    expect(verify(rules, secrets, { body: notify('one', 'two', 'one') })).toMatchObject(verified)
    expect(verify(rules, secrets, { body: notify('one', 'three') })).toMatchObject({ code: 'CREDENTIAL_WRONG' })
  })

  test.each([
    '',
    'no JSON',
    'null',
    '[]',
    '{"value":[]}',
    '{"value":{"clientState":"one"}}',
    '{"value":[{"clientState":"one"},{}]}',
    '{"value":[{"clientState":"one"},null]}',
    '{"value":[{"clientState":["one"]}]}',
    '{"value":[{"__proto__":{"clientState":"one"}}]}',
    '{"__proto__":{"value":[{"clientState":"one"}]}}',
    `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
    `{"value":${'[{"a":'.repeat(5_000)}1${'}]'.repeat(5_000)}}`,
  ])('the body %.60j shows no clientState', (body) => {
    expect(verify(rules, secrets, { body })).toMatchObject({ kind: 'refused', code: 'CREDENTIAL_MISSING' })
  })

  test('a stranger cannot make it parse what is absurdly deep or large', () => {
    const deep = (depth: number) => `{"value":[{"clientState":"one","x":${'['.repeat(depth)}"]"${']'.repeat(depth)}}]}`
    expect(verify(rules, secrets, { body: deep(497) })).toMatchObject(verified)
    expect(verify(rules, secrets, { body: deep(498) })).toMatchObject({ code: 'CREDENTIAL_MISSING' })
    const large = notify('one').padEnd(4_194_304)
    expect(verify(rules, secrets, { body: large })).toMatchObject(verified)
    expect(verify(rules, secrets, { body: `${large} ` })).toMatchObject({ code: 'CREDENTIAL_MISSING' })
  })
})
