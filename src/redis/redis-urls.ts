/** The servers that REDIS_URL names: one, or several of one Cluster, comma separated, each a URL of its own. */
export function splitRedisUrls(text: string): string[] {
  // A password may hold a comma.
  return text.trim().split(/\s*,\s*(?=rediss?:\/\/)/i)
}

/**
 * The same way in, by the same user, to another server of the Cluster.
 *
 * @param host a name or an address; null for that of `url`.
 */
export function redisUrlOf(url: string, host: string | null, port: number): string {
  const other = new URL(withoutDatabase(url))
  if (host !== null) other.hostname = host.includes(':') ? `[${host}]` : host
  other.port = String(port)
  return other.href
}

/** A Cluster has no databases to choose from. */
export function withoutDatabase(url: string): string {
  const other = new URL(url)
  other.pathname = ''
  return other.href
}

/** Hosts and ports, for logs: URLs may hold passwords. */
export function redisHosts(text: string): string {
  return splitRedisUrls(text)
    .map((url) => URL.parse(url)?.host ?? '')
    .join(', ')
}
