import { randomBytes } from 'node:crypto'
import { Counter, Gauge, type Registry } from 'prom-client'
import type { Logger } from '../kernel/log.ts'
import { createPublisher, type Publisher } from '../redis/publisher.ts'
import { createSubscriber, type Subscriber } from '../redis/subscriber.ts'
import type { Bus } from './bus.ts'
import { ChannelListeners, Outbox } from './wake-ups.ts'

/*
 * The bus between processes: Redis publish and subscribe, over one connection each. Redis holds nothing of ours.
 *
 * What a process publishes reaches its own listeners directly, with or without Redis; the echo is left out, by the
 * origin that each message begins with. Health is measured, not assumed: each second a heart-beat goes out on a channel
 * that only this process listens on.
 *
 *   unhealthy ──heart-beat returns, all subscribed──▶ healthy      (onRecovered: wake-ups were lost, read again)
 *   healthy ──connection lost, or no heart-beat for 3 s──▶ unhealthy
 *
 * A connection that is up but carries nothing for 5 s is given up for a new one: a broken network may never tell.
 */

export interface RedisBusOptions {
  readonly url: string
  readonly log: Logger
  readonly metrics: Registry
}

/** Redis has one name space for the channels of everybody who uses it. */
const prefix = 'hookline:'
const heartBeatMs = 1_000
/** Three heart-beats. */
const staleAfterMs = 3_000
const giveUpAfterMs = 5_000

/** Returns at once, whether Redis is there or not: the bus is unhealthy until the first heart-beat returns. */
export function createRedisBus(options: RedisBusOptions): Bus {
  return new RedisBus(options)
}

class RedisBus implements Bus {
  readonly #options: RedisBusOptions
  readonly #origin = randomBytes(9).toString('base64url')
  readonly #heartBeatChannel = `${prefix}heart-beat:${this.#origin}`
  readonly #listeners: ChannelListeners
  readonly #recoveryListeners = new Set<() => void>()
  readonly #publisher: Publisher
  readonly #subscriber: Subscriber
  readonly #outbox: Outbox
  readonly #pulse: NodeJS.Timeout
  #isHealthy = false
  /** Whether the log was told that Redis is away. */
  #isReported = false
  #lastBeatMs = performance.now()
  #lastReconnectMs = 0
  #isClosed = false

  constructor(options: RedisBusOptions) {
    this.#options = options
    this.#listeners = new ChannelListeners(options.log)
    const dropped = registerMetrics(options.metrics, () => this.#isHealthy)
    const connection = {
      url: options.url,
      onReady: () => this.#beat(),
      onAway: (error?: Error) => this.#becomeUnhealthy(error),
    }
    this.#publisher = createPublisher({
      ...connection,
      onDropped: (error) => {
        dropped.inc()
        if (error !== undefined) this.#becomeUnhealthy(error)
      },
    })
    this.#subscriber = createSubscriber({
      ...connection,
      onMessage: (channel, message) => this.#receive(channel, message),
      // What was published before was missed.
      onSubscribed: (channel) => this.#listeners.call(channel.slice(prefix.length), ''),
    })
    this.#subscriber.add(this.#heartBeatChannel)
    this.#outbox = new Outbox((channel, payload) => {
      this.#publisher.publish(prefix + channel, `${this.#origin} ${payload}`)
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
    if (this.#listeners.add(channel, own)) this.#subscriber.add(prefix + channel)
    return () => {
      if (this.#listeners.remove(channel, own)) this.#subscriber.remove(prefix + channel)
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
    await Promise.all([this.#publisher.close(), this.#subscriber.close()])
  }

  #receive(channel: string, message: string): void {
    if (this.#isClosed) return
    if (channel === this.#heartBeatChannel) {
      this.#becomeHealthy(Number(message))
      return
    }
    const space = message.indexOf(' ')
    if (message.slice(0, space) === this.#origin) return
    this.#listeners.call(channel.slice(prefix.length), message.slice(space + 1))
  }

  // The payload is the time of sending: what was delayed on the way proves nothing.
  #beat(): void {
    if (!this.#publisher.isReady() || !this.#subscriber.isReady()) return
    this.#publisher.publish(this.#heartBeatChannel, String(performance.now()))
  }

  #checkPulse(): void {
    const nowMs = performance.now()
    if (nowMs - this.#lastBeatMs > staleAfterMs) this.#becomeUnhealthy()
    if (nowMs - Math.max(this.#lastBeatMs, this.#lastReconnectMs) > giveUpAfterMs) {
      this.#lastReconnectMs = nowMs
      this.#publisher.reconnect()
      this.#subscriber.reconnect()
    }
    this.#beat()
  }

  #becomeHealthy(sentMs: number): void {
    if (performance.now() - sentMs > staleAfterMs) return
    this.#lastBeatMs = sentMs
    if (this.#isHealthy || !this.#publisher.isReady() || !this.#subscriber.isReady()) return
    this.#isHealthy = true
    if (this.#isReported) this.#options.log.info('Redis is back: wake-ups flow again')
    this.#isReported = false
    for (const listener of this.#recoveryListeners) listener()
  }

  #becomeUnhealthy(error?: Error): void {
    this.#isHealthy = false
    if (this.#isReported || this.#isClosed) return
    this.#isReported = true
    const { url, log } = this.#options
    log.warn({ err: error, redis: URL.canParse(url) ? new URL(url).host : undefined }, awayMessage)
  }
}

const awayMessage =
  'Redis cannot be used: live streams fall back to polling, nothing is lost. Check REDIS_URL, that Redis runs, and that its user may publish and subscribe to hookline:*'

function registerMetrics(metrics: Registry, isHealthy: () => boolean): Counter {
  new Gauge({
    name: 'hookline_bus_healthy',
    help: '1 while wake-ups between processes arrive (a heart-beat makes the round trip through Redis), else 0.',
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
