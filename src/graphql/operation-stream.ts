import type { EventFollower, TakenEvents } from '../live/feed-event.ts'
import { createTurnQueue } from './event-turns.ts'
import type { Waiter } from './shared-results.ts'

const firstRetryMs = 500
const maxRetryMs = 5_000
/** After so many events in a row others have their turn. One takes some 0.1 ms. */
const eventsPerTurn = 8

/** The results of a subscription, one per event. They are given when they are asked for, and nothing is executed ahead. */
export interface OperationStream {
  /** Who is given the results. Called once, before the first is asked for. */
  follow(follower: ResultFollower): void
  /** Asks for results, until the follower takes no more. */
  resume(): void
  /** Ends the stream at once, also while an event is executed. Resolves when all that it held is let go of. */
  end(): Promise<void>
}

export interface ResultFollower {
  /**
   * Takes a result, as JSON in UTF-8. Others may have it too: it is not to be changed.
   *
   * @param isFollowing whether it comes right after another one, so that more may be about to come.
   * @returns false to take no further one until `resume()` is called.
   */
  take(json: Buffer, isFollowing: boolean): boolean
  /** There are no more results. Called once, also after `end()`. */
  ended(): void
}

/** What a client is told of an event. */
export interface EventResult {
  readonly json: Buffer
  /** The database could not answer for it. */
  readonly isUnavailable: boolean
}

export interface EventHandling<Executed extends object> {
  /** @returns what another subscriber's execution gave already; null when the waiter is told later. */
  execute(event: object, waiter: Waiter<Executed>): Executed | null
  /** What to tell the client of it. */
  shown(executed: Executed): EventResult
  /** What to tell the client when the source fails. */
  failed(error: unknown): EventResult
  /** Called once, when no further event will be executed. */
  ended(): void
}

/**
 * Executes events as results are asked for, one at a time. An event that the database could not answer for is executed
 * again until it can: told as an error, it would be lost to a reader who goes on with the next one.
 */
export function operationStream<Executed extends object>(
  events: TakenEvents<object>,
  handling: EventHandling<Executed>,
): OperationStream {
  return new ExecutedEvents(events, handling)
}

const takeTurn = createTurnQueue()

// A message is given to many of these at once: while nothing fails it costs neither a promise nor a closure of their own.
class ExecutedEvents<Executed extends object> implements OperationStream, EventFollower, Waiter<Executed> {
  readonly #events: TakenEvents<object>
  readonly #handling: EventHandling<Executed>
  #follower: ResultFollower | null = null
  #isWanted = false
  /** An event is being executed, or this waits for its turn. */
  #isBusy = false
  #isEnded = false
  /** Set when there are no more events to take. */
  #end: { readonly error: unknown } | null = null
  /** That is being executed, or will be again. */
  #event: object | null = null
  /** Events since there was nothing to take. */
  #inARow = 0
  #retry: NodeJS.Timeout | null = null
  #retryMs = firstRetryMs

  constructor(events: TakenEvents<object>, handling: EventHandling<Executed>) {
    this.#events = events
    this.#handling = handling
  }

  follow(follower: ResultFollower): void {
    this.#follower = follower
    this.#events.follow(this)
  }

  resume(): void {
    this.#isWanted = true
    this.ready()
  }

  ready(): void {
    while (this.#isWanted && !this.#isBusy && !this.#isEnded) {
      if (this.#inARow === eventsPerTurn) {
        this.#waitForTurn()
        return
      }
      const event = this.#end === null ? this.#events.take() : null
      this.#inARow = event === null ? 0 : this.#inARow + 1
      if (event !== null) this.#execute(event)
      else if (this.#end === null) return
      else this.#stop(this.#end.error)
    }
  }

  // What was taken before is told first.
  ended(error: unknown): void {
    this.#end = { error }
    this.ready()
  }

  executed(executed: Executed): void {
    this.#isBusy = false
    if (this.#isEnded) return
    try {
      this.#show(executed)
    } catch (error) {
      this.failed(error)
    }
    this.ready()
  }

  failed(error: unknown): void {
    if (this.#isEnded) return
    this.#stop(error)
    void this.#events.end()
  }

  async end(): Promise<void> {
    this.#finish()
    await this.#events.end()
  }

  #waitForTurn(): void {
    this.#isBusy = true
    takeTurn(() => {
      this.#inARow = 0
      this.#isBusy = false
      this.ready()
    })
  }

  #execute(event: object): void {
    this.#event = event
    const executed = this.#handling.execute(event, this)
    if (executed === null) this.#isBusy = true
    else this.#show(executed)
  }

  #show(executed: Executed): void {
    const { json, isUnavailable } = this.#handling.shown(executed)
    if (isUnavailable) {
      this.#retryLater()
      return
    }
    this.#event = null
    this.#retryMs = firstRetryMs
    this.#give(json)
  }

  #retryLater(): void {
    this.#isBusy = true
    this.#retry = setTimeout(() => {
      this.#isBusy = false
      if (this.#event !== null) this.#execute(this.#event)
      this.ready()
    }, this.#retryMs)
    this.#retryMs = Math.min(2 * this.#retryMs, maxRetryMs)
  }

  #give(json: Buffer): void {
    if (this.#follower?.take(json, this.#inARow > 1) === false) this.#isWanted = false
  }

  #stop(error: unknown): void {
    if (error !== null) this.#give(this.#handling.failed(error).json)
    this.#finish()
  }

  #finish(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#handling.ended()
    this.#follower?.ended()
  }
}
