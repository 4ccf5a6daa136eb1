import type { EventFollower, TakenEvents } from '../live/feed-event.ts'

/** The events of a subscription's source, to be taken: by itself where it can, else by iterating over it. */
export function takenEvents(source: AsyncIterable<object>): TakenEvents<object> {
  return 'take' in source ? (source as AsyncIterable<object> & TakenEvents<object>) : new IteratedEvents(source)
}

/** Holds the one event that was asked for last. */
class IteratedEvents implements TakenEvents<object> {
  readonly #events: AsyncIterator<object>
  #follower: EventFollower | null = null
  #held: object | null = null
  #isAsking = false

  constructor(source: AsyncIterable<object>) {
    this.#events = source[Symbol.asyncIterator]()
  }

  take(): object | null {
    const event = this.#held
    this.#held = null
    if (event === null && !this.#isAsking) void this.#ask()
    return event
  }

  follow(follower: EventFollower): void {
    this.#follower = follower
  }

  async end(): Promise<void> {
    this.#isAsking = true
    this.#leave(null)
    await this.#events.return?.()
  }

  async #ask(): Promise<void> {
    this.#isAsking = true
    try {
      const result = await this.#events.next()
      this.#isAsking = false
      if (result.done) return this.#leave(null)
      this.#held = result.value
      this.#follower?.ready()
    } catch (error) {
      this.#leave(error)
    }
  }

  #leave(error: unknown): void {
    const follower = this.#follower
    this.#follower = null
    follower?.ended(error)
  }
}
