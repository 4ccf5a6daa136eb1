import { randomBytes } from 'node:crypto'
import type { Sql } from '../db/sql.ts'
import { CodedError } from '../kernel/coded-error.ts'
import type { ListenerId } from '../kernel/ids.ts'
import type { Logger } from '../kernel/log.ts'
import { unreachable } from '../kernel/unreachable.ts'
import { type Bus, listenersChannel } from '../live/bus.ts'
import type { Epochs } from '../live/epoch.ts'
import {
  type Lease,
  type LeaseState,
  type LossReason,
  markRead,
  releaseLease,
  renewLeases,
  takeLease,
} from './lease.ts'
import type { LogPosition } from './listener.ts'
import type { ListenerMeters } from './listener-meters.ts'

/**
 * The leases that streams of this process hold. All of them are renewed together, in one statement, which also tells
 * what became of each: every few seconds; at once when the bus says that a listener was taken or deleted, and when
 * configuration or keys have changed.
 */
export interface ListenerLeases {
  /**
   * Takes a listener for a stream, from whichever stream holds it.
   *
   * @param onLost called once when the stream must end: CodedError LISTENER_TAKEN, FORBIDDEN or NOT_FOUND.
   * @returns null when the listener is gone.
   */
  take(listenerId: ListenerId, onLost: (error: CodedError) => void): Promise<HeldListener | null>
  /** How far the stream with this lease was sent; null when no stream of this process holds it. */
  sentTo(lease: string): LogPosition | null
  /** Of the streams of this process. */
  heldCount(): number
  /** Notes that somebody without a lease reads the listener. */
  noteReading(listenerId: ListenerId): void
  /** Lets go of all. */
  close(): Promise<void>
}

export interface HeldListener {
  readonly lease: string
  /** After which the stream begins. */
  readonly acknowledged: LogPosition
  /** Says that the stream was given all up to here. */
  sent(place: LogPosition): void
  /** To be called when the stream ends, in whatever way. */
  release(): void
}

export interface ListenerLeasesDeps {
  readonly sql: Sql
  readonly bus: Pick<Bus, 'publish' | 'subscribe' | 'isHealthy' | 'onRecovered'>
  readonly epochs: Pick<Epochs, 'onChange'>
  readonly log: Logger
  readonly meters: Pick<ListenerMeters, 'lost'>
  /** How often leases are renewed whatever the bus says. Default 4,000 and 1,000. */
  readonly renewMs?: { readonly healthy: number; readonly unhealthy: number }
}

interface Held extends Lease {
  sent: LogPosition
  readonly onLost: (error: CodedError) => void
  readonly unsubscribe: () => void
}

const tickMs = 250

export function createListenerLeases(deps: ListenerLeasesDeps): ListenerLeases {
  return new Leases(deps)
}

class Leases implements ListenerLeases {
  readonly #deps: ListenerLeasesDeps
  readonly #held = new Map<string, Held>()
  /** What is to be renewed with the next statement. */
  readonly #asked = new Set<Held>()
  readonly #read = new Set<ListenerId>()
  readonly #releasing = new Set<Promise<void>>()
  readonly #timer: NodeJS.Timeout
  readonly #stopListening: readonly (() => void)[]
  /** The statement under way, which may renew what is let go of meanwhile. */
  #renewing: Promise<void> = Promise.resolve()
  #isAsking = false
  #isFailing = false
  #renewedMs = performance.now()

  constructor(deps: ListenerLeasesDeps) {
    this.#deps = deps
    this.#timer = setInterval(() => this.#tick(), tickMs)
    this.#timer.unref()
    this.#stopListening = [deps.epochs.onChange(() => this.#askAll()), deps.bus.onRecovered(() => this.#askAll())]
  }

  heldCount(): number {
    return this.#held.size
  }

  async take(listenerId: ListenerId, onLost: (error: CodedError) => void): Promise<HeldListener | null> {
    const { sql, bus } = this.#deps
    const lease = randomBytes(18).toString('base64url')
    const acknowledged = await takeLease(sql, { listenerId, lease })
    if (acknowledged === null) return null
    const channel = listenersChannel(listenerId)
    const unsubscribe = bus.subscribe(channel, () => this.#ask(held))
    const held: Held = { listenerId, lease, sent: acknowledged, onLost, unsubscribe }
    this.#held.set(lease, held)
    bus.publish(channel)
    // Another stream may have taken it before this one was listening for that.
    this.#ask(held)
    return {
      lease,
      acknowledged,
      sent({ logEpoch, sequence }) {
        held.sent = { logEpoch, sequence }
      },
      release: () => this.#release(held),
    }
  }

  sentTo(lease: string): LogPosition | null {
    return this.#held.get(lease)?.sent ?? null
  }

  noteReading(listenerId: ListenerId): void {
    this.#read.add(listenerId)
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    for (const stop of this.#stopListening) stop()
    for (const held of this.#held.values()) this.#release(held)
    await Promise.all(this.#releasing)
  }

  #release(held: Held): void {
    if (!this.#forget(held)) return
    const { sql, log } = this.#deps
    const { listenerId } = held
    // Should it fail, the lease ends by itself.
    const releasing = this.#renewing
      .then(() => releaseLease(sql, held))
      .catch((error: unknown) => log.warn({ err: error, listenerId }, 'a listener was not let go of'))
      .finally(() => this.#releasing.delete(releasing))
    this.#releasing.add(releasing)
  }

  /** @returns false when it was forgotten before. */
  #forget(held: Held): boolean {
    held.unsubscribe()
    this.#asked.delete(held)
    return this.#held.delete(held.lease)
  }

  #tick(): void {
    const { healthy, unhealthy } = this.#deps.renewMs ?? { healthy: 4_000, unhealthy: 1_000 }
    const dueMs = this.#renewedMs + (this.#deps.bus.isHealthy() ? healthy : unhealthy)
    if (performance.now() >= dueMs) {
      this.#askAll()
      void this.#markRead()
    }
  }

  #askAll(): void {
    this.#renewedMs = performance.now()
    for (const held of this.#held.values()) this.#ask(held)
  }

  // What is asked for within one turn goes into one statement.
  #ask(held: Held): void {
    this.#asked.add(held)
    if (!this.#isAsking) queueMicrotask(() => void this.#renew())
  }

  // One statement at a time, so that answers come in the order of the questions.
  async #renew(): Promise<void> {
    if (this.#isAsking) return
    this.#isAsking = true
    while (this.#asked.size > 0) {
      const asked = [...this.#asked]
      this.#asked.clear()
      this.#renewing = this.#renewOnce(asked)
      await this.#renewing
    }
    this.#isAsking = false
  }

  async #renewOnce(asked: readonly Held[]): Promise<void> {
    const { sql, log } = this.#deps
    try {
      const states = await renewLeases(sql, asked)
      if (this.#isFailing) log.info('the leases of listeners can be renewed again')
      this.#isFailing = false
      for (const state of states) this.#answer(state)
    } catch (error) {
      if (!this.#isFailing) log.warn({ err: error, leases: asked.length }, 'the leases of listeners cannot be renewed')
      this.#isFailing = true
    }
  }

  #answer({ lease, listenerId, standing }: LeaseState): void {
    const held = this.#held.get(lease)
    if (held === undefined || standing === 'held') return
    if (standing === 'changing') {
      this.#ask(held)
      return
    }
    this.#deps.log.info({ listenerId, standing }, 'the stream of a listener ends')
    this.#deps.meters.lost(standing)
    // What it was sent may still be acknowledged unless another has taken it.
    this.#release(held)
    held.onLost(lossOf(standing, listenerId))
  }

  async #markRead(): Promise<void> {
    const listenerIds = [...this.#read]
    this.#read.clear()
    if (listenerIds.length === 0) return
    await markRead(this.#deps.sql, listenerIds).catch((error: unknown) =>
      this.#deps.log.warn({ err: error }, 'it was not noted which listeners were read'),
    )
  }
}

function lossOf(standing: LossReason, listenerId: ListenerId): CodedError {
  switch (standing) {
    case 'taken':
      return new CodedError('LISTENER_TAKEN', 'A newer stream has taken the listener.')
    case 'gone':
      return new CodedError('NOT_FOUND', `The listener ${listenerId} was deleted.`)
    case 'disconnected':
      return new CodedError('FORBIDDEN', "The key has lost the right to the listener's source.")
    default:
      return unreachable(standing)
  }
}
