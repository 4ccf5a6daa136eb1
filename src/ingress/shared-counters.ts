import type { Redis } from 'ioredis'
import type { Logger } from '../kernel/log.ts'
import { closeRedis, connectRedis } from '../redis/connection.ts'
import { redisHosts } from '../redis/redis-urls.ts'
import { type Topology, watchTopology } from '../redis/topology.ts'

/*
 * The Redis in which all processes count together, and whether it can be used now: one server, or each primary of a
 * Redis Cluster for the keys that belong to it. Whoever counts asks `of(key)` first and counts alone while there is none;
 * so a server that is away or hangs costs the few requests that are under way to it a quarter of a second, once, and no
 * request anything afterwards.
 *
 *   alone ──ready, or a probe is answered──▶ shared
 *   shared ──connection lost, or a command failed or took too long──▶ alone      (a probe each second)
 */
export interface SharedCounters {
  /** @returns null while the server of this key cannot be used. */
  of(key: string): CountingServer | null
  /** Whether every server can be used. */
  isShared(): boolean
  close(): Promise<void>
}

export interface CountingServer {
  readonly redis: Redis
  /** A command was answered. */
  worked(): void
  /** A command failed or was not answered in time. */
  failed(error: unknown): void
}

const commandTimeoutMs = 250
const probeEveryMs = 1_000
/** A connection that is up but carries nothing for so many probes is given up for a new one: a broken network may never tell. */
const probesToGiveUp = 5
const keyPrefix = 'hookline:rate:'

/** Returns at once, whether Redis is there or not. */
export function createSharedCounters({ url, log }: { readonly url: string; readonly log: Logger }): SharedCounters {
  const servers = new Map<string, Server>()
  const closing: Promise<void>[] = []
  // Later each server tells for itself.
  const atStart = reporter(log, url)
  const topology = watchTopology({
    url,
    onChange: use,
    onAway: (error) => servers.size === 0 && atStart.away(error),
  })

  function use(now: Topology): void {
    for (const [serverUrl, server] of servers) {
      if (now.urlOf(server.probeKey) === serverUrl) continue
      servers.delete(serverUrl)
      closing.push(server.close())
    }
    for (const serverUrl of now.urls) {
      if (servers.has(serverUrl)) continue
      const probeKey = now.nameOn(serverUrl, `${keyPrefix}probe`)
      const events = { onTrouble: () => topology.refresh(), onWorked: atStart.back }
      servers.set(serverUrl, connectServer({ url: serverUrl, isSharded: now.isCluster, probeKey, log, ...events }))
    }
  }

  return {
    of(key) {
      const serverUrl = topology.current()?.urlOf(key) ?? null
      const server = serverUrl === null ? undefined : servers.get(serverUrl)
      return server?.isShared() ? server : null
    },
    isShared: () => topology.current()?.isComplete === true && [...servers.values()].every((each) => each.isShared()),
    async close() {
      for (const server of servers.values()) closing.push(server.close())
      await Promise.all([topology.close(), ...closing])
    },
  }
}

interface Server extends CountingServer {
  readonly probeKey: string
  isShared(): boolean
  close(): Promise<void>
}

interface ServerOptions {
  readonly url: string
  /** Whether the server is one of a Cluster. */
  readonly isSharded: boolean
  /** A key of this server that nobody counts with. */
  readonly probeKey: string
  readonly log: Logger
  /** What belongs to which server may have changed. */
  readonly onTrouble: () => void
  readonly onWorked: () => void
}

function connectServer({ url, isSharded, probeKey, log, onTrouble, onWorked }: ServerOptions): Server {
  const report = reporter(log, url)
  let isShared = false
  let isClosed = false
  let missedProbes = 0

  const failed = (error: unknown) => {
    if (isClosed) return
    onTrouble()
    // The server is well, but the key belongs to another one now.
    if (isSharded && error instanceof Error && error.message.startsWith('MOVED ')) return
    isShared = false
    report.away(error)
  }
  const redis = connectRedis({ url, role: 'limiter', commandTimeoutMs, onAway: failed })
  const probe = async () => {
    if (isShared || isClosed || redis.status !== 'ready') return
    try {
      // A write, which changes nothing: a replica answers pings, and so does a Cluster that is down.
      await redis.pexpire(probeKey, 1)
      isShared = true
      missedProbes = 0
    } catch {
      missedProbes += 1
      if (missedProbes % probesToGiveUp === 0 && redis.status === 'ready') redis.disconnect(true)
    }
  }
  redis.on('ready', () => void probe())
  const probing = setInterval(() => void probe(), probeEveryMs).unref()

  return {
    redis,
    probeKey,
    isShared: () => isShared,
    // Not at a probe: a Redis that answers those may still refuse to count.
    worked() {
      report.back()
      onWorked()
    },
    failed,
    async close() {
      isClosed = true
      isShared = false
      clearInterval(probing)
      await closeRedis(redis)
    },
  }
}

/** Tells the log once that Redis is away, and once that it is back. */
function reporter(log: Logger, url: string) {
  let isAway = false
  return {
    away(error: unknown) {
      if (!isAway) log.warn({ err: error, redis: redisHosts(url) }, awayMessage)
      isAway = true
    },
    back() {
      if (isAway) log.info({ redis: redisHosts(url) }, 'Redis is back: rate limits hold over all processes again')
      isAway = false
    },
  }
}

const awayMessage =
  'Redis cannot be used: each process counts rate limits for itself meanwhile. Check REDIS_URL, that Redis runs, and that its user may run scripts on the keys hookline:rate:*'
