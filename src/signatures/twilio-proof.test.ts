import twilio from 'twilio'
import { describe, expect, test } from 'vitest'
import { preset, url, verified, verify } from '../../test/support/verify-request.ts'

describe('Twilio', () => {
  const form = { 'content-type': 'application/x-www-form-urlencoded' }

  test.each([
    ['https://a.example/x', 'https://a.example:443/x'],
    ['https://a.example:443/x?y=1', 'https://a.example/x?y=1'],
    ['http://a.example/x', 'http://a.example:80/x'],
    ['https://[::1]/x', 'https://[::1]:443/x'],
    ['https://a.example:8443', 'https://a.example'],
  ])('what was sent to %s may have been signed as %s', (sentTo, signedAs) => {
    const signature = twilio.getExpectedTwilioSignature('key', signedAs, { B: '2', A: '1' })
    expect(twilio.validateRequest('key', signature, sentTo, { B: '2', A: '1' })).toBe(true)
    const headers = { ...form, 'x-twilio-signature': signature }
    expect(verify(preset('TWILIO'), 'key', { url: sentTo, headers, body: 'B=2&A=1' })).toMatchObject(verified)
  })

  test('repeated fields count once for each value, sorted', () => {
    const signature = twilio.getExpectedTwilioSignature('key', url, { A: ['2', '1', '2'], 'B é': '+' })
    const headers = { ...form, 'x-twilio-signature': signature }
    const body = 'A=2&A=1&A=2&B+%C3%A9=%2B'
    expect(verify(preset('TWILIO'), 'key', { headers, body })).toMatchObject(verified)
  })

  test('a form has up to 1,000 fields; a stranger cannot make more be read', () => {
    const send = (count: number) => {
      const fields = Array.from({ length: count }, (_, index) => [`f${index}`, 'x'])
      const signature = twilio.getExpectedTwilioSignature('key', url, Object.fromEntries(fields))
      const headers = { ...form, 'x-twilio-signature': signature }
      return verify(preset('TWILIO'), 'key', { headers, body: new URLSearchParams(fields).toString() })
    }
    expect(send(1_000)).toMatchObject(verified)
    expect(send(1_001)).toMatchObject({ code: 'SIGNATURE_WRONG', detail: expect.stringContaining('1000 fields') })
  })

  test('a GET, which has no body, is signed by its address alone', () => {
    const headers = { 'x-twilio-signature': twilio.getExpectedTwilioSignature('key', url, {}) }
    expect(verify(preset('TWILIO'), 'key', { headers, query: 'a=1' })).toMatchObject(verified)
  })

  test('a body that the signature does not cover is refused although the address is signed', () => {
    const headers = { 'x-twilio-signature': twilio.getExpectedTwilioSignature('key', url, {}) }
    for (const contentType of ['application/json', 'text/plain', undefined]) {
      const sent = { headers: { ...headers, 'content-type': contentType }, body: '{"forged":true}' }
      expect(verify(preset('TWILIO'), 'key', sent)).toMatchObject({ code: 'SIGNATURE_WRONG' })
    }
    const signature = twilio.getExpectedTwilioSignature('key', url, { A: '1' })
    const relabelled = { 'x-twilio-signature': signature, 'content-type': 'text/plain' }
    expect(verify(preset('TWILIO'), 'key', { headers: relabelled, body: 'A=1' })).toMatchObject({
      code: 'SIGNATURE_WRONG',
    })
  })
})
