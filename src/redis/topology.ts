import { setTimeout as wait } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { redisUrlOf, splitRedisUrls, withoutDatabase } from './redis-urls.ts'
import { slotCount, slotOf } from './slot.ts'

/** Which servers there are, and which of them a channel or key belongs to. */
export interface Topology {
  readonly isCluster: boolean
  /** Of all servers that something belongs to. */
  readonly urls: ReadonlySet<string>
  /** Whether every channel and key belongs to a server. */
  readonly isComplete: boolean
  /** @returns the URL of the server; null while the Cluster has none for it. */
  urlOf(name: string): string | null
  /** @returns the name, or it with a number behind it, such that it belongs to this server. */
  nameOn(url: string, name: string): string
}

export interface TopologyWatch {
  /** Null until a server has answered. */
  current(): Topology | null
  /** Something went wrong that a change of the Cluster explains: asks again, soon. Cheap: calls are merged. */
  refresh(): void
  close(): Promise<void>
}

export interface TopologyOptions {
  /** What REDIS_URL says. */
  readonly url: string
  /** Called with the first topology, and with each that differs from the one before. */
  readonly onChange: (topology: Topology) => void
  /** Called when no server could be asked, again and again while that lasts. */
  readonly onAway: (error: Error) => void
}

const noCluster =
  'several servers must be of one Redis Cluster, but this one is of none, or its user may not ask it: cluster slots'

/** A Cluster that has just changed needs a moment until all its servers know. */
const restMs = 100
const retryMs = 500

/**
 * Finds out by asking whether Redis is a Cluster, so that nobody has to say so. Asks until a server has answered; a
 * Cluster is asked again on `refresh` alone: connections that break and servers that send us elsewhere tell of every
 * change that concerns us. Each question has a connection of its own, to another server than the one before.
 */
export function watchTopology({ url, onChange, onAway }: TopologyOptions): TopologyWatch {
  const seeds = splitRedisUrls(url)
  const closing = new AbortController()
  let current: Topology | null = null
  let known = ''
  let turn = 0
  let asking: Promise<void> | null = null
  let isAskedAgain = false

  async function ask(): Promise<boolean> {
    const urls = [...new Set([...(current?.urls ?? []), ...seeds])]
    const first = turn++ % urls.length
    let failure: unknown
    for (const each of [...urls.slice(first), ...urls.slice(0, first)]) {
      if (closing.signal.aborted) return true
      try {
        use(await askServer(each, closing.signal))
        return true
      } catch (error) {
        failure = error
      }
    }
    if (!closing.signal.aborted) onAway(failure instanceof Error ? failure : new Error(String(failure)))
    return false
  }

  function use(owners: Owners | null): void {
    if (owners === null && (seeds.length > 1 || current !== null)) throw new Error(noCluster)
    const text = JSON.stringify(owners)
    if (text === known || closing.signal.aborted) return
    known = text
    current = owners === null ? singleServer(seeds[0] ?? url) : clusterOf(owners)
    onChange(current)
  }

  async function askUntilAnswered(): Promise<void> {
    do {
      isAskedAgain = false
      const isAnswered = await ask()
      isAskedAgain ||= !isAnswered
      const delayMs = isAnswered ? restMs : retryMs
      if (isAskedAgain) await wait(delayMs, undefined, { signal: closing.signal, ref: false }).catch(() => undefined)
    } while (isAskedAgain && !closing.signal.aborted)
  }

  function refresh(): void {
    if (current?.isCluster === false || closing.signal.aborted) return
    isAskedAgain = true
    asking ??= askUntilAnswered().finally(() => {
      asking = null
    })
  }

  refresh()
  return {
    current: () => current,
    refresh,
    async close() {
      closing.abort()
      await asking
    },
  }
}

/** The URL of each slot's server. */
type Owners = (string | undefined)[]

/** A server that hangs must not keep us from the others. */
const answerTimeoutMs = 2_000

/**
 * @returns null from a server that is not part of a Cluster, or does not let us ask.
 * @throws Error when it cannot be reached, or does not answer in time.
 */
async function askServer(url: string, signal: AbortSignal): Promise<Owners | null> {
  const redis = new Redis(withoutDatabase(url), {
    connectionName: 'hookline-topology',
    enableReadyCheck: false,
    lazyConnect: true,
    retryStrategy: () => null,
  })
  let failure: Error = new Error('Redis does not answer')
  redis.on('error', (error) => {
    failure = error
  })
  const end = () => redis.disconnect()
  const ending = AbortSignal.any([signal, AbortSignal.timeout(answerTimeoutMs)])
  ending.addEventListener('abort', end, { once: true })
  try {
    // What it rejects with says only that there is no connection.
    await redis.connect().catch(() => Promise.reject(failure))
    return ownersOf(await redis.cluster('SLOTS'), url)
  } catch (error) {
    if (error instanceof Error && error.name === 'ReplyError' && error !== failure) return null
    throw error
  } finally {
    ending.removeEventListener('abort', end)
    end()
  }
}

type SlotRange = [first: number, last: number, ...servers: [host: string | null, port: number, ...rest: unknown[]][]]

/** @see https://redis.io/docs/latest/commands/cluster-slots/ */
function ownersOf(ranges: readonly SlotRange[], askedUrl: string): Owners {
  if (ranges.length === 0) throw new Error('this server of a Redis Cluster knows of no other')
  const owners: Owners = new Array(slotCount).fill(undefined)
  for (const [first, last, master] of ranges) {
    if (master === undefined) continue
    const [host, port] = master
    // A server that does not know its own name means the one under which it was asked.
    owners.fill(redisUrlOf(askedUrl, host || null, port), first, last + 1)
  }
  return owners
}

function clusterOf(owners: Owners): Topology {
  const urlOf = (name: string) => owners[slotOf(name)] ?? null
  return {
    isCluster: true,
    urls: new Set(owners.filter((owner) => owner !== undefined)),
    isComplete: owners.every((owner) => owner !== undefined),
    urlOf,
    // Of three servers about every third number fits; only servers with slots are ever asked for.
    nameOn(url, name) {
      let number = 1
      while (urlOf(`${name}:${number}`) !== url) number += 1
      return `${name}:${number}`
    },
  }
}

function singleServer(url: string): Topology {
  return { isCluster: false, urls: new Set([url]), isComplete: true, urlOf: () => url, nameOn: (_, name) => name }
}
