import { isIP } from 'node:net'
import ipaddr, { type IPv4, type IPv6 } from 'ipaddr.js'

/*
 * Which addresses an outbound request may reach. Tenants choose the URLs, so everything that is not the public internet
 * is refused: the gateway's own machine, its network and the cloud's metadata service would answer it as a friend.
 *
 * Two places ask: registration (checkUrl, which sees no more than the URL's text) and each request (outbound.ts, which
 * also sees what a name resolves to). Only the second is a guard; the first spares the user a failed attempt.
 */

export interface AddressGuard {
  /** @param ip an address in its usual spelling; anything else is refused. */
  verdict(ip: string): 'allowed' | 'refused'
}

export interface AddressGuardOptions {
  /** Networks in CIDR notation that the operator vouches for; they win over every other rule. */
  allowedNetworks: readonly string[]
  /** Allows 127.0.0.0/8 and ::1: for a gateway that runs on a developer's machine. */
  allowsLoopback: boolean
}

export type UrlCheck =
  | { ok: true /** Normalised, without fragment. */; url: string }
  | { ok: false; code: 'MALFORMED' | 'URL_REFUSED' | 'OUT_OF_RANGE' /** Fit for the user. */; message: string }

const MAX_URL_CHARACTERS = 2048

// Azure's wire server: a public address by every registry, a metadata service in fact.
const AZURE_WIRE_SERVER = '168.63.129.16'

// Nothing outside of it is given out for the public internet.
const GLOBAL_UNICAST_IPV6: [IPv6, number] = [ipaddr.IPv6.parse('2000::'), 3]

/** @throws RangeError naming the network that is not in CIDR notation. */
export function createAddressGuard({ allowedNetworks, allowsLoopback }: AddressGuardOptions): AddressGuard {
  const networks = allowedNetworks.map(parseNetwork)
  const isVouchedFor = (address: IPv4 | IPv6) =>
    networks.some(([base, bits]) => address.kind() === base.kind() && address.match(base, bits))
  return {
    verdict(ip) {
      if (isIP(ip) === 0) return 'refused'
      const address = ipaddr.parse(ip)
      if (isVouchedFor(address)) return 'allowed'
      if (allowsLoopback && address.range() === 'loopback') return 'allowed'
      return isPublic(address) ? 'allowed' : 'refused'
    },
  }
}

/**
 * Judges a URL when it is registered. What a name resolves to is judged at every request, not here.
 *
 * @returns MALFORMED for what is no URL, OUT_OF_RANGE past 2,048 characters, URL_REFUSED for a URL that is never called.
 */
export function checkUrl(text: string, guard: AddressGuard): UrlCheck {
  const tooLong = { ok: false, code: 'OUT_OF_RANGE', message: 'The URL is longer than 2,048 characters.' } as const
  if (text.length > MAX_URL_CHARACTERS) return tooLong
  const url = URL.parse(text)
  if (url === null) return { ok: false, code: 'MALFORMED', message: 'This is not an absolute URL.' }
  url.hash = ''
  if (url.href.length > MAX_URL_CHARACTERS) return tooLong
  const objection = objectTo(url, guard)
  return objection === null ? { ok: true, url: url.href } : { ok: false, code: 'URL_REFUSED', message: objection }
}

/** @returns the address that the URL names outright, without brackets; null when it has to be resolved. */
export function literalAddress(hostname: string): string | null {
  const bare = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
  return isIP(bare) === 0 ? null : bare
}

function objectTo(url: URL, guard: AddressGuard): string | null {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'Only http and https URLs are called.'
  if (url.username !== '' || url.password !== '') return 'A URL must not carry credentials.'
  if (url.port === '0') return 'Port 0 cannot be called.'
  const address = isLocalhost(url.hostname) ? '127.0.0.1' : literalAddress(url.hostname)
  if (address !== null && guard.verdict(address) === 'refused')
    return 'This address is not a public one; the operator can allow networks by ALLOWED_NETWORKS.'
  return null
}

function isLocalhost(hostname: string): boolean {
  return /(?:^|\.)localhost\.?$/.test(hostname)
}

function isPublic(address: IPv4 | IPv6): boolean {
  if (address.range() !== 'unicast') return false
  if (address.kind() === 'ipv4') return address.toString() !== AZURE_WIRE_SERVER
  return address.match(...GLOBAL_UNICAST_IPV6)
}

function parseNetwork(network: string): [IPv4 | IPv6, number] {
  if (!ipaddr.isValidCIDR(network)) throw new RangeError(`not a network in CIDR notation: ${network}`)
  return ipaddr.parseCIDR(network)
}
