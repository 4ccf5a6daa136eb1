import { BlockList, isIP } from 'node:net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalNetwork, parseAddressSet } from './address-set.ts'

test.each([
  [['192.0.2.7'], '192.0.2.7', '192.0.2.8'],
  [['10.0.0.0/8'], '10.255.255.255', '11.0.0.0'],
  [['192.0.2.128/25'], '192.0.2.128', '192.0.2.127'],
  [['10.1.2.3/8'], '10.200.0.1', '9.255.255.255'],
  [['0.0.0.0/0'], '255.1.2.3', '2001:db8::1'],
  [['::/0'], '2001:db8::1', '192.0.2.1'],
  [['2001:db8::/32'], '2001:DB8:ffff::1', '2001:db9::'],
  [['2001:db8::1'], '2001:0db8:0:0:0:0:0:1', '2001:db8::2'],
  [['198.51.100.0/31', '203.0.113.9'], '203.0.113.9', '198.51.100.2'],
])('of the networks %j the address %s is one and %s is not', (networks, inside, outside) => {
  const set = parseAddressSet(networks)
  expect(set.has(inside)).toBe(true)
  expect(set.has(outside)).toBe(false)
})

test('a v4 address is the same however the socket spells it', () => {
  const set = parseAddressSet(['192.0.2.0/24'])
  expect(set.has('::ffff:192.0.2.1')).toBe(true)
  expect(set.has('::FFFF:c000:201')).toBe(true)
  expect(set.has('::ffff:192.0.3.1')).toBe(false)
  expect(set.has('::192.0.2.1')).toBe(false)
  expect(parseAddressSet(['::ffff:192.0.2.0/120']).has('192.0.2.77')).toBe(true)
})

test('a link-local address is known whatever interface it came in at', () => {
  expect(parseAddressSet(['fe80::/10']).has('fe80::1%eth0')).toBe(true)
})

test('an empty set has no address, and no set has what is not one', () => {
  expect(parseAddressSet([]).has('127.0.0.1')).toBe(false)
  for (const text of ['', 'unknown', '127.1', '0x7f.0.0.1', '010.0.0.1', '_hidden', '127.0.0.1:80', '[::1]']) {
    expect(parseAddressSet(['0.0.0.0/0', '::/0']).has(text)).toBe(false)
  }
})

test.each([
  ['10.1.2.3/8', '10.0.0.0/8'],
  ['10.1.2.3/32', '10.1.2.3'],
  ['10.1.2.3', '10.1.2.3'],
  ['255.255.255.255/0', '0.0.0.0/0'],
  ['2001:DB8:0:0::1/128', '2001:db8::1'],
  ['2001:db8:ffff::/33', '2001:db8:8000::/33'],
  ['::ffff:10.1.2.3', '10.1.2.3'],
  ['::ffff:10.1.2.3/104', '10.0.0.0/8'],
  ['::ffff:0:0/95', '::fffe:0:0/95'],
])('%s is written %s', (text, canonical) => {
  expect(canonicalNetwork(text)).toBe(canonical)
  expect(canonicalNetwork(canonical)).toBe(canonical)
})

test.each([
  '',
  ' 10.0.0.1',
  '10.0.0.1 ',
  '10.0.0/8',
  '10.0.0.0/33',
  '10.0.0.0/-1',
  '10.0.0.0/08',
  '10.0.0.0/',
  '10.0.0.0/8/8',
  '::1/129',
  'fe80::1%eth0',
  '010.0.0.1',
  'localhost',
  '10.0.0.0-10.0.0.9',
  'ａ',
])('%j is no network', (text) => {
  expect(canonicalNetwork(text)).toBeNull()
  expect(() => parseAddressSet([text])).toThrow(RangeError)
})

const v4 = fc.ipV4()
const v6 = fc.ipV6().filter((text) => isIP(text) === 6 && !text.includes('.'))

test.each([
  ['ipv4', v4, 32],
  ['ipv6', v6, 128],
] as const)("for any network of %s a set says what Node's own block list says", (family, addresses, width) => {
  fc.assert(
    fc.property(addresses, addresses, fc.integer({ min: 0, max: width }), (base, address, bits) => {
      const oracle = new BlockList()
      oracle.addSubnet(base, bits, family)
      const set = parseAddressSet([`${base}/${bits}`])
      expect(set.has(base)).toBe(oracle.check(base, family))
      expect(set.has(address)).toBe(oracle.check(address, family))
    }),
  )
})
