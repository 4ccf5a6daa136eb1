import type { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { createClientAddress } from './client-address.ts'

const proxies = ['10.0.0.0/8', 'fd00::/8']

function addressOf(headers: Record<string, string>, { peer = '10.0.0.1', trusted = proxies } = {}): string {
  return createClientAddress(trusted)({ socket: { remoteAddress: peer } as Socket, headers })
}

test('a header of a peer that is not trusted is ignored', () => {
  const headers = { 'x-forwarded-for': '192.0.2.1', forwarded: 'for=192.0.2.1' }
  expect(addressOf(headers, { peer: '203.0.113.9' })).toBe('203.0.113.9')
  expect(addressOf(headers, { trusted: [] })).toBe('10.0.0.1')
})

test('without a header the trusted peer itself is the client, in its usual spelling', () => {
  expect(addressOf({}, { peer: '::ffff:10.0.0.1' })).toBe('10.0.0.1')
})

test.each<[string, string, string]>([
  ['one hop', '192.0.2.1', '192.0.2.1'],
  ['what the sender made up, in front', '6.6.6.6, 192.0.2.1', '192.0.2.1'],
  ['trusted hops behind', '6.6.6.6, 192.0.2.1, 10.9.9.9,fd00::7', '192.0.2.1'],
  ['trusted hops alone', '10.1.1.1, 10.2.2.2', '10.1.1.1'],
  ['a port', '192.0.2.1:4711', '192.0.2.1'],
  ['v6', '2001:DB8:0:0::1', '2001:db8::1'],
  ['v6 in brackets', '[2001:db8::1]', '2001:db8::1'],
  ['v6 with a port', '[2001:db8::1]:4711', '2001:db8::1'],
  ['v4 in v6', '::ffff:192.0.2.1', '192.0.2.1'],
  ['nothing', '', ''],
  ['an empty entry', '192.0.2.1, ', ''],
  ['an empty entry behind a trusted hop', '192.0.2.1,,10.2.2.2', ''],
  ['a name', 'localhost', ''],
  ['unknown', '192.0.2.1, unknown', ''],
  ['a zone', 'fe80::1%eth0', ''],
  ['an octal form', '0300.0.2.1', ''],
  ['more hops than are followed', `6.6.6.6, ${Array(25).fill('10.3.3.3').join(', ')}`, '10.3.3.3'],
])('X-Forwarded-For with %s', (_, list, expected) => {
  expect(addressOf({ 'x-forwarded-for': list })).toBe(expected)
})

test.each<[string, string, string]>([
  ['one hop', 'for=192.0.2.1', '192.0.2.1'],
  ['other pairs around', 'by=10.0.0.1;FOR="192.0.2.1:80";proto=https;host="a,b"', '192.0.2.1'],
  ['v6', 'for="[2001:db8:cafe::17]:4711"', '2001:db8:cafe::17'],
  ['what the sender made up, in front', 'for=6.6.6.6, for=192.0.2.1', '192.0.2.1'],
  ['trusted hops behind', 'for=192.0.2.1, for=10.9.9.9, for="[fd00::1]"', '192.0.2.1'],
  ['an obfuscated hop', 'for=192.0.2.1, for=_hidden, for=10.9.9.9', ''],
  ['unknown', 'for=unknown', ''],
  ['no address', 'proto=https', ''],
  ['two addresses in one hop', 'for=6.6.6.6;for=192.0.2.1', ''],
  ['an empty hop', 'for=192.0.2.1,', ''],
  ['an open quote that swallows what the proxy wrote', 'for=6.6.6.6;x=", for="[2001:db8::1]"', ''],
  ['an open quote in front', 'for="6.6.6.6, for=192.0.2.1', '192.0.2.1'],
])('Forwarded with %s', (_, forwarded, expected) => {
  expect(addressOf({ forwarded })).toBe(expected)
})

test('of two headers that disagree neither is believed, and the proxy does not stand in for the sender', () => {
  expect(addressOf({ 'x-forwarded-for': '192.0.2.1', forwarded: 'for=192.0.2.1' })).toBe('192.0.2.1')
  expect(addressOf({ 'x-forwarded-for': '192.0.2.1', forwarded: 'for=6.6.6.6' })).toBe('')
  // By one of these a sender could else appear as the proxy itself, which a list of networks may hold.
  expect(addressOf({ 'x-forwarded-for': '192.0.2.1', forwarded: 'for="' })).toBe('')
})
