import { randomBytes } from 'node:crypto'
import { Counter, Gauge, type Registry } from 'prom-client'
import type { Logger } from '../kernel/log.ts'
import { redisHosts } from '../redis/redis-urls.ts'
import { type Topology, type TopologyWatch, watchTopology } from '../redis/topology.ts'
import type { Bus } from './bus.ts'
import { heartBeatMs, RedisLink } from './redis-link.ts'
import { ChannelListeners, Outbox } from './wake-ups.ts'

/*
 * The bus between processes: Redis publish and subscribe. Redis holds nothing of ours.
 *
 * One link to each server that channels belong to: to the one Redis, or to each primary of a Redis Cluster, where
 * channels are sharded, so that a wake-up costs one server and not all. (The Cluster client of ioredis is not used: it
 * does not tell when a channel is subscribed again, nor notices a server that hangs.)
 *
 * What a process publishes reaches its own listeners directly, with or without Redis; the echo is left out, by the
 * origin that each message begins with. The bus is healthy while every channel has a link and each link's heart-beat
 * returns. So one server of three that is away makes streams poll, though the channels of the others go on.
 *
 *   unhealthy ──the last link becomes healthy──▶ healthy      (onRecovered: wake-ups were lost, read again)
 *   healthy ──a link becomes unhealthy──▶ unhealthy           (the Cluster is asked who serves what, each second)
 *
 * When the Cluster has changed, channels go over to the link of their new server, and their listeners look once.
 */

export interface RedisBusOptions {
  readonly url: string
  readonly log: Logger
  readonly metrics: Registry
}

/** Redis has one name space for the channels of everybody who uses it. */
const prefix = 'hookline:'

/** Returns at once, whether Redis is there or not: the bus is unhealthy until the first heart-beats return. */
export function createRedisBus(options: RedisBusOptions): Bus {
  return new RedisBus(options)
}

class RedisBus implements Bus {
  readonly #options: RedisBusOptions
  readonly #origin = randomBytes(9).toString('base64url')
  readonly #listeners: ChannelListeners
  readonly #recoveryListeners = new Set<() => void>()
  readonly #dropped: Counter
  readonly #topology: TopologyWatch
  /** By the server's URL. */
  readonly #links = new Map<string, RedisLink>()
  readonly #closing: Promise<void>[] = []
  /** The link over which each channel is listened to; null while no server has it. */
  readonly #channels = new Map<string, RedisLink | null>()
  readonly #outbox: Outbox
  readonly #pulse: NodeJS.Timeout
  #isHealthy = false
  /** Whether the log was told that Redis is away. */
  #isReported = false
  #isClosed = false

  constructor(options: RedisBusOptions) {
    this.#options = options
    this.#listeners = new ChannelListeners(options.log)
    this.#dropped = registerMetrics(options.metrics, () => this.#isHealthy)
    this.#topology = watchTopology({
      url: options.url,
      onChange: (topology) => this.#rewire(topology),
      onAway: (error) => this.#becomeUnhealthy(options.url, error),
    })
    this.#outbox = new Outbox((channel, payload) => {
      const link = this.#linkOf(prefix + channel)
      if (link === null) this.#dropped.inc()
      else link.publish(prefix + channel, `${this.#origin} ${payload}`)
      this.#listeners.call(channel, payload)
    })
    this.#pulse = setInterval(() => this.#checkPulse(), heartBeatMs)
    this.#pulse.unref()
  }

  publish(channel: string, payload = ''): void {
    if (!this.#isClosed) this.#outbox.add(channel, payload)
  }

  subscribe(channel: string, listener: (payload: string) => void): () => void {
    const own = (payload: string): void => listener(payload)
    if (this.#listeners.add(channel, own)) this.#open(prefix + channel)
    return () => {
      if (this.#listeners.remove(channel, own)) this.#leave(prefix + channel)
    }
  }

  isHealthy(): boolean {
    return this.#isHealthy
  }

  onRecovered(listener: () => void): () => void {
    const own = (): void => listener()
    this.#recoveryListeners.add(own)
    return () => {
      this.#recoveryListeners.delete(own)
    }
  }

  async close(): Promise<void> {
    this.#outbox.flush()
    this.#isClosed = true
    this.#isHealthy = false
    clearInterval(this.#pulse)
    this.#listeners.clear()
    this.#recoveryListeners.clear()
    for (const link of this.#links.values()) this.#closing.push(link.close())
    await Promise.all([this.#topology.close(), ...this.#closing])
  }

  #linkOf(channel: string): RedisLink | null {
    const url = this.#topology.current()?.urlOf(channel) ?? null
    return url === null ? null : (this.#links.get(url) ?? null)
  }

  #open(channel: string): void {
    const link = this.#linkOf(channel)
    this.#channels.set(channel, link)
    link?.add(channel)
  }

  #leave(channel: string): void {
    this.#channels.get(channel)?.remove(channel)
    this.#channels.delete(channel)
  }

  #rewire(topology: Topology): void {
    if (this.#isClosed) return
    for (const [url, link] of this.#links) {
      // A heart-beat on a channel that the server has not any more would prove nothing.
      if (topology.urlOf(link.heartBeatChannel) === url) continue
      this.#links.delete(url)
      this.#closing.push(link.close())
    }
    for (const url of topology.urls) {
      if (!this.#links.has(url)) this.#links.set(url, this.#connect(url, topology))
    }
    for (const [channel, link] of this.#channels) {
      if (this.#linkOf(channel) === link) continue
      link?.remove(channel)
      this.#open(channel)
    }
    for (const link of this.#links.values()) link.checkPulse()
    this.#isHealthy &&= this.#isWhole()
    this.#becomeHealthy()
  }

  #connect(url: string, topology: Topology): RedisLink {
    return new RedisLink({
      url,
      isSharded: topology.isCluster,
      heartBeatChannel: topology.nameOn(url, `${prefix}heart-beat:${this.#origin}`),
      onMessage: (channel, message) => this.#receive(channel, message),
      onSubscribed: (channel) => this.#listeners.call(channel.slice(prefix.length), ''),
      onHealthy: () => this.#becomeHealthy(),
      onUnhealthy: (error) => {
        this.#becomeUnhealthy(url, error)
        this.#topology.refresh()
      },
      onDropped: () => this.#dropped.inc(),
    })
  }

  #receive(channel: string, message: string): void {
    if (this.#isClosed) return
    const space = message.indexOf(' ')
    if (message.slice(0, space) === this.#origin) return
    this.#listeners.call(channel.slice(prefix.length), message.slice(space + 1))
  }

  #checkPulse(): void {
    for (const link of this.#links.values()) link.checkPulse()
    if (!this.#isHealthy) this.#topology.refresh()
  }

  #isWhole(): boolean {
    return this.#topology.current()?.isComplete === true && [...this.#links.values()].every((link) => link.isHealthy())
  }

  #becomeHealthy(): void {
    if (this.#isHealthy || this.#isClosed || !this.#isWhole()) return
    this.#isHealthy = true
    if (this.#isReported) this.#options.log.info('Redis is back: wake-ups flow again')
    this.#isReported = false
    for (const listener of this.#recoveryListeners) listener()
  }

  #becomeUnhealthy(url: string, error?: Error): void {
    this.#isHealthy = false
    if (this.#isReported || this.#isClosed) return
    this.#isReported = true
    this.#options.log.warn({ err: error, redis: redisHosts(url) }, awayMessage)
  }
}

const awayMessage =
  'Redis cannot be used: live streams fall back to polling, nothing is lost. Check REDIS_URL, that Redis runs, and that its user may publish and subscribe to hookline:*'

function registerMetrics(metrics: Registry, isHealthy: () => boolean): Counter {
  new Gauge({
    name: 'hookline_bus_healthy',
    help: '1 while wake-ups between processes arrive (a heart-beat makes the round trip through each Redis server), else 0.',
    registers: [metrics],
    collect() {
      this.set(isHealthy() ? 1 : 0)
    },
  })
  return new Counter({
    name: 'hookline_bus_dropped_total',
    help: 'Messages to Redis that were not sent or not acknowledged; receivers find what they announced by polling.',
    registers: [metrics],
  })
}
