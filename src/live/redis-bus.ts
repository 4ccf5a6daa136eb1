import { randomBytes } from 'node:crypto'
import { Counter, Gauge, type Registry } from 'prom-client'
import type { Logger } from '../kernel/log.ts'
import { createPublisher } from '../redis/publisher.ts'
import { createSubscriber } from '../redis/subscriber.ts'
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
export function createRedisBus({ url, log, metrics }: RedisBusOptions): Bus {
  const origin = randomBytes(9).toString('base64url')
  const heartBeatChannel = `${prefix}heart-beat:${origin}`
  const listeners = new ChannelListeners(log)
  const recoveryListeners = new Set<() => void>()
  const dropped = registerMetrics(metrics, () => health.isHealthy)
  const health = { isHealthy: false, isReported: false, lastBeatMs: performance.now(), lastReconnectMs: 0 }
  let isClosed = false

  const publisher = createPublisher({
    url,
    onReady: beat,
    onAway: becomeUnhealthy,
    onDropped(error) {
      dropped.inc()
      if (error !== undefined) becomeUnhealthy(error)
    },
  })
  const subscriber = createSubscriber({
    url,
    onReady: beat,
    onAway: becomeUnhealthy,
    onMessage: receive,
    // What was published before was missed.
    onSubscribed: (channel) => listeners.call(channel.slice(prefix.length), ''),
  })
  subscriber.add(heartBeatChannel)
  const outbox = new Outbox((channel, payload) => {
    publisher.publish(prefix + channel, `${origin} ${payload}`)
    listeners.call(channel, payload)
  })
  const pulse = setInterval(checkPulse, heartBeatMs)
  pulse.unref()

  function receive(channel: string, message: string): void {
    if (isClosed) return
    if (channel === heartBeatChannel) {
      becomeHealthy(Number(message))
      return
    }
    const space = message.indexOf(' ')
    if (message.slice(0, space) !== origin) listeners.call(channel.slice(prefix.length), message.slice(space + 1))
  }

  // The payload is the time of sending: what was delayed on the way proves nothing.
  function beat(): void {
    if (publisher.isReady() && subscriber.isReady()) {
      publisher.publish(heartBeatChannel, String(performance.now()))
    }
  }

  function checkPulse(): void {
    const nowMs = performance.now()
    if (nowMs - health.lastBeatMs > staleAfterMs) becomeUnhealthy()
    if (nowMs - Math.max(health.lastBeatMs, health.lastReconnectMs) > giveUpAfterMs) {
      health.lastReconnectMs = nowMs
      publisher.reconnect()
      subscriber.reconnect()
    }
    beat()
  }

  function becomeHealthy(sentMs: number): void {
    if (performance.now() - sentMs > staleAfterMs) return
    health.lastBeatMs = sentMs
    if (health.isHealthy || !publisher.isReady() || !subscriber.isReady()) return
    health.isHealthy = true
    if (health.isReported) log.info('Redis is back: wake-ups flow again')
    health.isReported = false
    for (const listener of recoveryListeners) listener()
  }

  function becomeUnhealthy(error?: Error): void {
    health.isHealthy = false
    if (health.isReported || isClosed) return
    health.isReported = true
    log.warn({ err: error, redis: URL.canParse(url) ? new URL(url).host : undefined }, awayMessage)
  }

  return {
    publish(channel, payload = '') {
      if (!isClosed) outbox.add(channel, payload)
    },
    subscribe(channel, listener) {
      const own = (payload: string): void => listener(payload)
      if (listeners.add(channel, own)) subscriber.add(prefix + channel)
      return () => {
        if (listeners.remove(channel, own)) subscriber.remove(prefix + channel)
      }
    },
    isHealthy: () => health.isHealthy,
    onRecovered(listener) {
      const own = (): void => listener()
      recoveryListeners.add(own)
      return () => {
        recoveryListeners.delete(own)
      }
    },
    async close() {
      outbox.flush()
      isClosed = true
      health.isHealthy = false
      clearInterval(pulse)
      listeners.clear()
      recoveryListeners.clear()
      await Promise.all([publisher.close(), subscriber.close()])
    },
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
