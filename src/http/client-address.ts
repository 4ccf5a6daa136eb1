import type { IncomingMessage } from 'node:http'
import { isIP, type Socket } from 'node:net'
import ipaddr from 'ipaddr.js'
import { type AddressSet, parseAddressSet } from '../kernel/address-set.ts'

/*
 * Whom a request comes from. A proxy in front of us appends, to one header or the other, the address that it saw. What
 * stands further left was there before and may be anybody's invention, so the list is read from its end: as long as the
 * one who told us is trusted, it is believed about the one before.
 */

/**
 * Finds the address of a request's sender. Never throws; empty when it cannot be known: no list of networks has that.
 * The proxy's own address must not stand for it, since it may be in such a list, and a sender can make a header unreadable.
 */
export type ClientAddressOf = (request: Pick<IncomingMessage, 'socket' | 'headers'>) => string

/** More hops than this are not followed. */
const maxHops = 20

/**
 * @param trustedProxies addresses and CIDR networks; the headers of any other peer are ignored.
 * @throws RangeError naming one that is neither.
 */
export function createClientAddress(trustedProxies: readonly string[]): ClientAddressOf {
  if (trustedProxies.length === 0) return ({ socket }) => remoteAddressOf(socket)
  const trusted = parseAddressSet(trustedProxies)
  return ({ socket, headers }) => {
    const peer = remoteAddressOf(socket)
    return trusted.has(peer) ? forwardedAddress(headers, peer, trusted) : peer
  }
}

/** The peer itself: IPv4 in its usual spelling, also on a socket that serves both families. */
export function remoteAddressOf({ remoteAddress = '' }: Socket): string {
  return remoteAddress.startsWith('::ffff:') ? remoteAddress.slice('::ffff:'.length) : remoteAddress
}

function forwardedAddress(headers: IncomingMessage['headers'], peer: string, trusted: AddressSet): string {
  const { 'x-forwarded-for': list, forwarded } = headers
  // Node joins repeated ones.
  const byList = typeof list === 'string' ? walk(hopsOfList(list), trusted) : null
  const byForwarded = typeof forwarded === 'string' ? walk(hopsOfForwarded(forwarded), trusted) : null
  if (byList === null || byForwarded === null) return byList ?? byForwarded ?? peer
  // One of the two was not written by our proxy but passed through from the sender; which one, we cannot know.
  return byList === byForwarded ? byList : unknown
}

const unknown = ''

/** @param hops from the last to the first; null for one that tells no address. */
function walk(hops: readonly (string | null)[], trusted: AddressSet): string {
  for (const hop of hops) {
    if (hop === null) return unknown
    if (!trusted.has(hop)) return hop
  }
  return hops.at(-1) ?? unknown
}

function hopsOfList(text: string): (string | null)[] {
  return lastOf(text.split(',')).map(addressOf)
}

/** @see RFC 7239, section 4 */
function hopsOfForwarded(text: string): (string | null)[] {
  const elements: string[] = []
  let start = 0
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|,/g)) {
    if (token !== ',') continue
    elements.push(text.slice(start, index))
    start = index + 1
  }
  elements.push(text.slice(start))
  return lastOf(elements).map(forOf)
}

const pair = /\s*([\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))\s*(?:;|$)/gy

// Strictly: a sender that leaves a quote open could otherwise hide in it what our proxy appends.
function forOf(element: string): string | null {
  const pairs = [...element.matchAll(pair)]
  const readLength = pairs.reduce((length, [text]) => length + text.length, 0)
  const [named, ...others] = pairs.filter(([, name]) => name?.toLowerCase() === 'for')
  if (readLength !== element.length || named === undefined || others.length > 0) return null
  return addressOf(named[2] ?? named[3] ?? '')
}

function lastOf(elements: readonly string[]): string[] {
  return elements.slice(-maxHops).reverse()
}

/** @returns one spelling per address, without port; null for `unknown`, `_hidden` and whatever else is no address. */
function addressOf(text: string): string | null {
  const node = text.trim()
  const found = /^\[([^\]]*)\](?::\d{1,5})?$|^([\d.]+)(?::\d{1,5})?$/.exec(node)
  const bare = found?.[1] ?? found?.[2] ?? node
  return isIP(bare) === 0 || bare.includes('%') ? null : ipaddr.process(bare).toString()
}
