import { type LookupAddress, lookup } from 'node:dns'
import { Resolver } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import type { Resolve } from './guarded-lookup.ts'

/*
 * The system's own lookup blocks one of two threads that Node has for it: with a few names whose servers never answer, no
 * other name of the whole process would be resolved any more. So name servers are asked over the network, where waiting
 * costs nothing. The system is asked about what it alone can know: names without a dot (search domains, containers),
 * names of its hosts file, and names that the servers do not know.
 */
export interface NameResolverOptions {
  /** `address:port` each. Default: those of the system, read for each name, because machines change networks. */
  servers?: readonly string[]
  /** Default `dns.lookup`. */
  systemLookup?: Resolve
}

/** Twice as long for the second try; together within the time that connections have. */
const timeoutMs = 1_500
const tries = 2
/** The servers have no address for the name, or there are no servers. */
const unknownCodes: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA', 'ECONNREFUSED'])

export function createNameResolver({ servers, systemLookup = lookup }: NameResolverOptions = {}): Resolve {
  return (hostname, options, callback) => {
    askServers(hostname, servers).then(
      (addresses) => (addresses === null ? systemLookup(hostname, options, callback) : callback(null, addresses)),
      (error: NodeJS.ErrnoException) => callback(error, []),
    )
  }
}

/** @returns null when the system is to be asked. @throws when the servers do not answer. */
async function askServers(hostname: string, servers: readonly string[] | undefined): Promise<LookupAddress[] | null> {
  if (!hostname.includes('.') || (await isInHostsFile(hostname))) return null
  const resolver = new Resolver({ timeout: timeoutMs, tries })
  if (servers !== undefined) resolver.setServers(servers)
  const [four, six] = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)])
  const addresses = [...addressesOf(four, 4), ...addressesOf(six, 6)]
  if (addresses.length > 0) return addresses
  for (const answer of [four, six]) {
    if (answer.status === 'rejected' && !unknownCodes.has(answer.reason.code)) throw answer.reason
  }
  return null
}

function addressesOf(answer: PromiseSettledResult<string[]>, family: 4 | 6): LookupAddress[] {
  return answer.status === 'fulfilled' ? answer.value.map((address) => ({ address, family })) : []
}

// It wins over the servers. A name in a comment counts, too: the system then answers like the servers.
async function isInHostsFile(hostname: string): Promise<boolean> {
  const text = await readFile('/etc/hosts', 'utf8').catch(() => '')
  return text.toLowerCase().split(/\s+/).includes(hostname)
}
