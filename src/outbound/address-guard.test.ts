import { describe, expect, test } from 'vitest'
import { checkUrl, createAddressGuard } from './address-guard.ts'

const strict = createAddressGuard({ allowedNetworks: [], allowsLoopback: false })
const local = createAddressGuard({ allowedNetworks: [], allowsLoopback: true })

describe('addresses', () => {
  // Network, its first and its last address.
  test.each([
    ['0.0.0.0/8', '0.0.0.0', '0.255.255.255'],
    ['10.0.0.0/8', '10.0.0.0', '10.255.255.255'],
    ['100.64.0.0/10', '100.64.0.0', '100.127.255.255'],
    ['127.0.0.0/8', '127.0.0.0', '127.255.255.255'],
    ['169.254.0.0/16', '169.254.0.0', '169.254.255.255'],
    ['172.16.0.0/12', '172.16.0.0', '172.31.255.255'],
    ['192.0.0.0/24', '192.0.0.0', '192.0.0.255'],
    ['192.0.2.0/24', '192.0.2.0', '192.0.2.255'],
    ['192.31.196.0/24', '192.31.196.0', '192.31.196.255'],
    ['192.52.193.0/24', '192.52.193.0', '192.52.193.255'],
    ['192.88.99.0/24', '192.88.99.0', '192.88.99.255'],
    ['192.168.0.0/16', '192.168.0.0', '192.168.255.255'],
    ['192.175.48.0/24', '192.175.48.0', '192.175.48.255'],
    ['198.18.0.0/15', '198.18.0.0', '198.19.255.255'],
    ['198.51.100.0/24', '198.51.100.0', '198.51.100.255'],
    ['203.0.113.0/24', '203.0.113.0', '203.0.113.255'],
    ['224.0.0.0/4', '224.0.0.0', '239.255.255.255'],
    ['240.0.0.0/4', '240.0.0.0', '255.255.255.255'],
    ['168.63.129.16/32', '168.63.129.16', '168.63.129.16'],
    ['2001::/23', '2001::', '2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['2001:db8::/32', '2001:db8::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['2002::/16', '2002::', '2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['2620:4f:8000::/48', '2620:4f:8000::', '2620:4f:8000:ffff:ffff:ffff:ffff:ffff'],
    ['3fff::/20', '3fff::', '3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['below 2000::/3', '::', '1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['above 2000::/3', '4000::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['IPv6 loopback', '::1', '::1'],
    ['IPv4-mapped', '::ffff:8.8.8.8', '::ffff:7f00:1'],
    ['NAT64', '64:ff9b::808:808', '64:ff9b:1::1'],
    ['unique local', 'fc00::', 'fdff::1'],
    ['link-local', 'fe80::1', 'fe80::1%eth0'],
  ])('%s is refused, from %s to %s', (_network, first, last) => {
    expect(strict.verdict(first)).toBe('refused')
    expect(strict.verdict(last)).toBe('refused')
  })

  // The neighbours of the networks above.
  test.each([
    ['1.0.0.0', '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0', '126.255.255.255', '128.0.0.0'],
    ['169.253.255.255', '169.255.0.0', '172.15.255.255', '172.32.0.0', '192.0.1.0', '192.0.3.0', '192.167.255.255'],
    ['192.169.0.0', '198.17.255.255', '198.20.0.0', '223.255.255.255', '168.63.129.15', '168.63.129.17', '8.8.8.8'],
    ['2001:200::', '2001:db7::1', '2001:db9::1', '2003::1', '2620:4f:8001::1', '2606:4700::1111', '3fff:1000::1'],
  ])('public addresses are allowed: %s and others', (...addresses) => {
    for (const address of addresses) expect(strict.verdict(address), address).toBe('allowed')
  })

  test.each([
    '',
    'localhost',
    '0x7f.1',
    '127.1',
    '2130706433',
    '0177.0.0.1',
    '8.8.8',
    '08.8.8.8',
    '[::1]',
    '8.8.8.8/32',
  ])('the unusual spelling %j is refused', (text) => {
    expect(local.verdict(text)).toBe('refused')
  })

  test('with loopback allowed nothing else opens', () => {
    for (const address of ['127.0.0.1', '127.255.0.9', '::1']) expect(local.verdict(address)).toBe('allowed')
    for (const address of ['0.0.0.0', '::', '10.0.0.1', '169.254.169.254', '::ffff:127.0.0.1']) {
      expect(local.verdict(address), address).toBe('refused')
    }
  })

  test("the operator's networks are allowed, and no address beside them", () => {
    const guard = createAddressGuard({ allowedNetworks: ['10.1.0.0/16', 'fd00:1::/32'], allowsLoopback: false })
    expect(guard.verdict('10.1.255.255')).toBe('allowed')
    expect(guard.verdict('fd00:1:2::3')).toBe('allowed')
    expect(guard.verdict('10.2.0.0')).toBe('refused')
    expect(guard.verdict('::ffff:10.1.0.1')).toBe('refused')
    expect(guard.verdict('127.0.0.1')).toBe('refused')
  })

  test('a network that is not in CIDR notation is named', () => {
    for (const network of ['10.0.0.0', '10.0.0.0/33', 'intranet', '']) {
      expect(() => createAddressGuard({ allowedNetworks: [network], allowsLoopback: false })).toThrow(
        `not a network in CIDR notation: ${network}`,
      )
    }
  })
})

describe('URLs at registration', () => {
  test.each([
    'http://0x7f.1',
    'http://2130706433',
    'http://127.1/',
    'http://①②⑦.⓪.⓪.①',
    'http://１２７.0.0.1',
    'http://127.0.0.1./',
    'http://[::ffff:7f00:1]',
    'http://[::1]:8080/',
    'http://[::]/',
    'http://localhost',
    'http://localhost.',
    'http://LOCALHOST:3000/hooks',
    'http://api.localhost/',
    'http://169.254.169.254/latest/meta-data/',
    'http://a@127.0.0.1@b/',
    'https://user:password@example.com/',
    'https://user@example.com/',
    'https://example.com:0/',
    'file:///etc/passwd',
    'ftp://example.com/',
    'javascript:alert(1)',
    'data:text/plain,hi',
  ])('%s is refused', (text) => {
    expect(checkUrl(text, strict)).toMatchObject({ ok: false, code: 'URL_REFUSED' })
  })

  test.each(['', 'example.com', '/hooks', 'http://', 'http://exa mple.com', 'https://[::1', 'http://1.2.3.256/'])(
    '%j is malformed',
    (text) => {
      expect(checkUrl(text, strict)).toMatchObject({ ok: false, code: 'MALFORMED' })
    },
  )

  test('2,048 characters are enough, as given and as normalised', () => {
    const base = 'https://example.com/'
    const fits = base + 'a'.repeat(2048 - base.length)
    expect(checkUrl(fits, strict)).toEqual({ ok: true, url: fits })
    expect(checkUrl(`${fits}a`, strict)).toMatchObject({ ok: false, code: 'OUT_OF_RANGE' })
    expect(checkUrl(base + 'é'.repeat(1000), strict)).toMatchObject({ ok: false, code: 'OUT_OF_RANGE' })
  })

  test.each([
    ['HTTPS://Example.COM:443/a/../b?q=1#part', 'https://example.com/b?q=1'],
    ['http://example.com', 'http://example.com/'],
    ['https://bücher.example/', 'https://xn--bcher-kva.example/'],
    ['https://8.8.8.8:8443/x', 'https://8.8.8.8:8443/x'],
    ['https://notlocalhost/', 'https://notlocalhost/'],
  ])('%s is kept as %s', (text, url) => {
    expect(checkUrl(text, strict)).toEqual({ ok: true, url })
  })

  test('a gateway that allows loopback takes local URLs, but no disguised ones', () => {
    expect(checkUrl('http://localhost:3000/hooks', local)).toEqual({ ok: true, url: 'http://localhost:3000/hooks' })
    expect(checkUrl('http://127.0.0.1:3000/', local).ok).toBe(true)
    expect(checkUrl('http://[::1]:3000/', local).ok).toBe(true)
    expect(checkUrl('http://[::ffff:7f00:1]/', local)).toMatchObject({ code: 'URL_REFUSED' })
    expect(checkUrl('http://10.0.0.1/', local)).toMatchObject({ code: 'URL_REFUSED' })
  })
})
