import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { splitRedisUrls } from '../redis/redis-urls.ts'
import { type MasterKey, parseMasterKeys } from '../secrets/index.ts'

/** A value, or what should have stood there instead: the end of the sentence 'expected …'. */
export type Parsed<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly expected: string }

export type Parse<Value> = (text: string) => Parsed<Value>

const valid = <Value>(value: Value): Parsed<Value> => ({ ok: true, value })
const expected = (text: string): { readonly ok: false; readonly expected: string } => ({ ok: false, expected: text })

export function parseText(text: string): Parsed<string> {
  return valid(text)
}

export function oneOf<const Words extends readonly string[]>(words: Words): Parse<Words[number]> {
  return (text) => {
    const word = words.find((known) => known === text)
    return word === undefined ? expected(`one of ${words.join(', ')}`) : valid(word)
  }
}

/** A whole number in decimal digits, both bounds included. */
export function integerBetween(lowest: number, highest: number): Parse<number> {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    const isInside = value >= lowest && value <= highest
    return isInside ? valid(value) : expected(`a whole number from ${lowest} to ${highest}`)
  }
}

/** The word `none`, which is null, or what `parse` takes. */
export function orNone<Value>(parse: Parse<Value>): Parse<Value | null> {
  return (text) => {
    if (text === 'none') return valid(null)
    const parsed = parse(text)
    return parsed.ok ? parsed : expected(`${parsed.expected}, or none`)
  }
}

/** An address to listen on, or a name of this machine. */
export function parseHost(text: string): Parsed<string> {
  const isName = /^[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$/.test(text)
  return isIP(text) !== 0 || isName ? valid(text) : expected('an IP address or a host name, without a port')
}

/** An http(s) URL without query; a path is kept, a slash at its end is not. */
export function parsePublicUrl(text: string): Parsed<string> {
  const url = URL.parse(text)
  const isPlain = url !== null && url.username === '' && url.password === '' && url.search === '' && url.hash === ''
  if (!isPlain || !['http:', 'https:'].includes(url.protocol)) {
    return expected('an http or https URL without user, query or fragment, such as https://hooks.example.com')
  }
  return valid(url.href.replace(/\/+$/, ''))
}

export function parseDatabaseUrl(text: string): Parsed<string> {
  const isPostgres = /^postgres(ql)?:\/\//i.test(text) && parseServiceUrl(text) !== null
  return isPostgres ? valid(text) : expected('a URL such as postgres://user:password@host:5432/database')
}

/** One URL, or several of one Cluster, comma separated. */
export function parseRedisUrls(text: string): Parsed<string> {
  return splitRedisUrls(text).every(isRedisUrl)
    ? valid(text)
    : expected('a URL such as redis://:password@host:6379/0, or URLs of servers of one Cluster, comma separated')
}

// What is no web address may hold nearly anything in place of the host, a comma too.
function isRedisUrl(text: string): boolean {
  const url = /^rediss?:\/\//i.test(text) ? URL.parse(text) : null
  return url !== null && /^[^,\s]+$/.test(url.hostname)
}

/** Networks in CIDR notation or single addresses, comma separated; `none` is the empty list. */
export function parseNetworks(text: string): Parsed<readonly string[]> {
  if (text === 'none') return valid([])
  const networks = text.split(',').map((entry) => toCidr(entry.trim()))
  const known = networks.filter((network) => network !== null)
  return known.length === networks.length
    ? valid(known)
    : expected('networks in CIDR notation, comma separated, such as 10.0.0.0/8,fd00::/8; or none')
}

/** Origins of pages, comma separated; `none` is the empty list. */
export function parseOrigins(text: string): Parsed<readonly string[]> {
  if (text === 'none') return valid([])
  const origins = text.split(',').map((entry) => toOrigin(entry.trim()))
  const known = origins.filter((origin) => origin !== null)
  return known.length === origins.length
    ? valid(known)
    : expected('origins without a path, comma separated, such as https://app.example.com; or none')
}

export function parseMasterKeyList(text: string): Parsed<readonly MasterKey[]> {
  const result = parseMasterKeys(text)
  return result.ok
    ? valid(result.keys)
    : expected(`id:base64 of 32 bytes, several comma separated; but ${result.problems.join(', ')}`)
}

// `postgres://user@/database?host=/run/postgresql` is usual, but no URL to the standard: a host is put in.
function parseServiceUrl(text: string): URL | null {
  return URL.parse(text.replace('@/', '@localhost/').replace(':///', '://localhost/'))
}

function toOrigin(entry: string): string | null {
  const url = URL.parse(entry)
  const isOrigin = url !== null && ['http:', 'https:'].includes(url.protocol) && url.href === `${url.origin}/`
  return isOrigin ? url.origin : null
}

function toCidr(entry: string): string | null {
  const version = isIP(entry.split('/')[0] ?? '')
  if (version === 0 || entry.includes('%')) return null
  const cidr = entry.includes('/') ? entry : `${entry}/${version === 4 ? 32 : 128}`
  return ipaddr.isValidCIDR(cidr) ? cidr : null
}
