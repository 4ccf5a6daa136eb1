import { describe, expect, test } from 'vitest'
import { verified, verify } from '../../test/support/verify-request.ts'
import type { VerificationRules } from './index.ts'

describe('a shared credential', () => {
  const apiKey: VerificationRules = { scheme: 'API_KEY', header: 'X-Api-Key' }
  const bearer: VerificationRules = { scheme: 'BEARER' }
  const basic: VerificationRules = { scheme: 'BASIC', username: 'Jürgen' }
  const token = 'a-token-of-24-characters'
  const basicOf = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` })

  test('an API key in its header, which is then not to be stored', () => {
    const verdict = verify(apiKey, token, { headers: { 'x-api-key': token } })
    expect(verdict).toEqual({ kind: 'verified', credentialHeaders: ['x-api-key'], credentialParameters: [] })
    expect(verify(apiKey, token, { headers: { 'x-api-key': ['other', token] } })).toMatchObject(verified)
    expect(verify(apiKey, token)).toMatchObject({ status: 401, code: 'CREDENTIAL_MISSING' })
    for (const wrong of [`${token}x`, token.slice(1), token.toUpperCase()]) {
      const verdict = verify(apiKey, token, { headers: { 'x-api-key': wrong } })
      expect(verdict).toMatchObject({ code: 'CREDENTIAL_WRONG', signature: null })
    }
  })

  test('a bearer token in Authorization or access_token', () => {
    expect(verify(bearer, token, { headers: { authorization: `bearer  ${token}` } })).toEqual({
      kind: 'verified',
      credentialHeaders: ['authorization'],
      credentialParameters: ['access_token'],
    })
    expect(verify(bearer, token, { query: `x=1&access_token=${token}` })).toMatchObject(verified)
    const missing = { code: 'CREDENTIAL_MISSING', headers: { 'www-authenticate': 'Bearer realm="hookline"' } }
    expect(verify(bearer, token)).toMatchObject(missing)
    expect(verify(bearer, token, { headers: { authorization: `Basic ${token}` } })).toMatchObject(missing)
    const wrong = {
      code: 'CREDENTIAL_WRONG',
      headers: { 'www-authenticate': expect.stringContaining('invalid_token') },
    }
    expect(verify(bearer, token, { headers: { authorization: `Bearer ${token}x` } })).toMatchObject(wrong)
    expect(verify(bearer, token, { query: 'access_token=' })).toMatchObject(wrong)
  })

  test('user name and password in UTF-8', () => {
    expect(verify(basic, 'pässwörd:😀', { headers: basicOf('Jürgen:pässwörd:😀') })).toMatchObject(verified)
    const challenge = { headers: { 'www-authenticate': 'Basic realm="hookline", charset="UTF-8"' } }
    const wrong = { code: 'CREDENTIAL_WRONG', ...challenge }
    expect(verify(basic, 'pass', { headers: basicOf('Jurgen:pass') })).toMatchObject(wrong)
    expect(verify(basic, 'pass', { headers: basicOf('Jürgen:Pass') })).toMatchObject(wrong)
    for (const headers of [{}, { authorization: 'Basic !!' }, { authorization: 'Basic' }]) {
      expect(verify(basic, 'pass', { headers })).toMatchObject({ code: 'CREDENTIAL_MISSING', ...challenge })
    }
  })
})
