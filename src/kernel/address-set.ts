import { isIP } from 'node:net'
import ipaddr, { type IPv4, type IPv6 } from 'ipaddr.js'

/** Some addresses of the internet, given as single ones and as networks. */
export interface AddressSet {
  /** @param address as a socket or a header tells it; what is no address is not in the set. */
  has(address: string): boolean
}

type Network = readonly [base: IPv4 | IPv6, bits: number]

/**
 * @param texts addresses and CIDR networks, v4 and v6.
 * @throws RangeError naming one that is neither.
 */
export function parseAddressSet(texts: readonly string[]): AddressSet {
  const networks = texts.map((text) => {
    const network = parseNetwork(text)
    if (network === null) throw new RangeError(`neither an address nor a network in CIDR notation: ${text}`)
    return network
  })
  return {
    has(text) {
      const address = parseAddress(text)
      if (address === null) return false
      return networks.some(([base, bits]) => address.kind() === base.kind() && address.match(base, bits))
    },
  }
}

/**
 * The one spelling of an address or network: `10.1.2.3/8` becomes `10.0.0.0/8`, `2001:DB8:0::1/128` becomes
 * `2001:db8::1`.
 *
 * @returns null for what is neither.
 */
export function canonicalNetwork(text: string): string | null {
  const network = parseNetwork(text)
  if (network === null) return null
  const [base, bits] = network
  return bits === widthOf(base) ? base.toString() : `${base.toString()}/${bits}`
}

function parseNetwork(text: string): Network | null {
  const [addressText = '', bitsText, ...rest] = text.split('/')
  const written = addressText.includes('%') ? null : parseStrictly(addressText)
  if (written === null || rest.length > 0) return null
  if (bitsText === undefined) {
    const address = unmapped(written)
    return [address, widthOf(address)]
  }
  const bits = Number(bitsText)
  if (!/^(?:0|[1-9]\d{0,2})$/.test(bitsText) || bits > widthOf(written)) return null
  // A network of v4-mapped addresses is one of v4; a wider one, such as ::/0, is one of v6.
  const address = bits >= mappedPrefixBits ? unmapped(written) : written
  return withoutHostBits(address, bits - widthOf(written) + widthOf(address))
}

// Sockets of a server that listens on `::` tell v4 senders as v4-mapped v6 addresses; link-local ones carry a zone.
function parseAddress(text: string): IPv4 | IPv6 | null {
  const zone = text.indexOf('%')
  const bare = zone === -1 ? text : text.slice(0, zone)
  const address = parseStrictly(bare)
  return address === null ? null : unmapped(address)
}

// The library alone would take octal and short forms, and ::192.0.2.1, which is another address, for ::ffff:192.0.2.1.
function parseStrictly(text: string): IPv4 | IPv6 | null {
  return isIP(text) === 0 || /^::\d+\./.test(text) ? null : ipaddr.parse(text)
}

const mappedPrefixBits = 96

function unmapped(address: IPv4 | IPv6): IPv4 | IPv6 {
  return 'isIPv4MappedAddress' in address && address.isIPv4MappedAddress() ? address.toIPv4Address() : address
}

function widthOf(address: IPv4 | IPv6): number {
  return address.kind() === 'ipv4' ? 32 : 128
}

function withoutHostBits(address: IPv4 | IPv6, bits: number): Network {
  const bytes = address.toByteArray().map((byte, position) => {
    const kept = Math.min(8, Math.max(0, bits - position * 8))
    return byte & ~(0xff >> kept)
  })
  return [ipaddr.fromByteArray(bytes), bits]
}
