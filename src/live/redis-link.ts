import { createPublisher, type Publisher } from '../redis/publisher.ts'
import { createSubscriber, type Subscriber } from '../redis/subscriber.ts'

/*
 * The bus over one Redis server: a connection to publish and one to listen. Health is measured, not assumed: each second
 * a heart-beat goes out on a channel that only this link listens on.
 *
 *   unhealthy ──heart-beat returns, all subscribed──▶ healthy
 *   healthy ──connection lost, a channel refused or taken away, or no heart-beat for 3 s──▶ unhealthy
 *
 * A connection that is up but carries nothing for 5 s is given up for a new one: a broken network may never tell.
 */

export interface RedisLinkOptions {
  readonly url: string
  /** Whether the server is one of a Cluster: then only channels of its slots may go over this link. */
  readonly isSharded: boolean
  readonly heartBeatChannel: string
  readonly onMessage: (channel: string, message: string) => void
  /** What was published before was missed. */
  readonly onSubscribed: (channel: string) => void
  readonly onHealthy: () => void
  /** Called again and again while it lasts. */
  readonly onUnhealthy: (error?: Error) => void
  /** Called for each message that was not sent, or not acknowledged. */
  readonly onDropped: () => void
}

export const heartBeatMs = 1_000
/** Three heart-beats. */
const staleAfterMs = 3_000
const giveUpAfterMs = 5_000

export class RedisLink {
  readonly heartBeatChannel: string
  readonly #options: RedisLinkOptions
  readonly #publisher: Publisher
  readonly #subscriber: Subscriber
  #isHealthy = false
  #lastBeatMs = performance.now()
  #lastReconnectMs = 0
  #isClosed = false

  /** Returns at once, whether the server is there or not. */
  constructor(options: RedisLinkOptions) {
    this.#options = options
    this.heartBeatChannel = options.heartBeatChannel
    const connection = {
      url: options.url,
      isSharded: options.isSharded,
      onReady: () => this.#beat(),
      onAway: (error?: Error) => this.#becomeUnhealthy(error),
    }
    this.#publisher = createPublisher({
      ...connection,
      onDropped: (error) => {
        options.onDropped()
        if (error !== undefined) this.#becomeUnhealthy(error)
      },
    })
    this.#subscriber = createSubscriber({
      ...connection,
      onMessage: (channel, message) => this.#receive(channel, message),
      onSubscribed: options.onSubscribed,
    })
    this.#subscriber.add(this.heartBeatChannel)
  }

  isHealthy(): boolean {
    return this.#isHealthy
  }

  publish(channel: string, message: string): void {
    this.#publisher.publish(channel, message)
  }

  add(channel: string): void {
    this.#subscriber.add(channel)
  }

  remove(channel: string): void {
    this.#subscriber.remove(channel)
  }

  /** To be called at each heart-beat. */
  checkPulse(): void {
    const nowMs = performance.now()
    if (nowMs - this.#lastBeatMs > staleAfterMs) this.#becomeUnhealthy()
    if (nowMs - Math.max(this.#lastBeatMs, this.#lastReconnectMs) > giveUpAfterMs) {
      this.#lastReconnectMs = nowMs
      this.#publisher.reconnect()
      this.#subscriber.reconnect()
    }
    this.#subscriber.resume()
    this.#beat()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#isHealthy = false
    await Promise.all([this.#publisher.close(), this.#subscriber.close()])
  }

  #isReady(): boolean {
    return this.#publisher.isReady() && this.#subscriber.isReady()
  }

  #receive(channel: string, message: string): void {
    if (this.#isClosed) return
    if (channel === this.heartBeatChannel) this.#becomeHealthy(Number(message))
    else this.#options.onMessage(channel, message)
  }

  // The payload is the time of sending: what was delayed on the way proves nothing.
  #beat(): void {
    if (this.#isReady()) this.#publisher.publish(this.heartBeatChannel, String(performance.now()))
  }

  #becomeHealthy(sentMs: number): void {
    if (performance.now() - sentMs > staleAfterMs) return
    this.#lastBeatMs = sentMs
    if (this.#isHealthy || !this.#isReady()) return
    this.#isHealthy = true
    this.#options.onHealthy()
  }

  #becomeUnhealthy(error?: Error): void {
    this.#isHealthy = false
    if (!this.#isClosed) this.#options.onUnhealthy(error)
  }
}
