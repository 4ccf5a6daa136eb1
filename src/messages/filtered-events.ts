import type { SourceId } from '../kernel/ids.ts'
import { createTurns } from '../kernel/turn.ts'
import type { FeedEvent, FeedMessage } from '../live/feed-event.ts'

export interface EventFilter<Row> {
  matches(event: FeedMessage<Row>): boolean
  /** After how many hidden messages of a source its progress is told. Default 1,000. */
  readonly maxHidden?: number
  /** After how long it is told of what was hidden. Default 10,000. */
  readonly maxQuietMs?: number
}

/** What was hidden of one source since its place was last told. */
interface Hidden {
  readonly sinceMs: number
  count: number
  /** Of the last one. */
  sequence: number
  logEpoch: string
}

/**
 * Hides the messages that do not match. All other events pass. So that a reader's place moves on all the same, progress is
 * told of each source with hidden messages after 1,000 of them, or 10 s after the first.
 */
export function filteredEvents<Row>(
  events: AsyncIterator<FeedEvent<Row>, undefined>,
  filter: EventFilter<Row>,
): AsyncIterator<FeedEvent<Row>, undefined> {
  return new FilteredEvents(events, filter)
}

class FilteredEvents<Row> implements AsyncIterator<FeedEvent<Row>, undefined> {
  readonly #events: AsyncIterator<FeedEvent<Row>, undefined>
  readonly #filter: Required<EventFilter<Row>>
  /** The source that waits longest for its progress first. */
  readonly #hidden = new Map<SourceId, Hidden>()
  /** The event that was asked for and has not come. */
  #pending: Promise<IteratorResult<FeedEvent<Row>, undefined>> | null = null

  constructor(
    events: AsyncIterator<FeedEvent<Row>, undefined>,
    { matches, maxHidden = 1_000, maxQuietMs = 10_000 }: EventFilter<Row>,
  ) {
    this.#events = events
    this.#filter = { matches, maxHidden, maxQuietMs }
  }

  async next(): Promise<IteratorResult<FeedEvent<Row>, undefined>> {
    // Messages that are in memory come without any waiting, and a filter may take long over each.
    const turns = createTurns()
    // What is due is not kept waiting by a source that always has a next message.
    const due = this.#progress()
    if (due !== null) return { done: false, value: due }
    for (;;) {
      const result = await this.#nextInTime()
      const event = result?.done === false ? this.#passed(result.value) : null
      if (result?.done) return result
      const told = event ?? this.#progress()
      if (told !== null) return { done: false, value: told }
      await turns()
    }
  }

  async return(): Promise<IteratorResult<FeedEvent<Row>, undefined>> {
    await this.#events.return?.()
    return { done: true, value: undefined }
  }

  /** @returns null when progress is due before the next event has come. */
  async #nextInTime(): Promise<IteratorResult<FeedEvent<Row>, undefined> | null> {
    this.#pending ??= this.#ask()
    const [longest] = this.#hidden.values()
    const result = await (longest === undefined ? this.#pending : before(this.#dueMs(longest), this.#pending))
    if (result !== null) this.#pending = null
    return result
  }

  #ask(): Promise<IteratorResult<FeedEvent<Row>, undefined>> {
    const pending = this.#events.next()
    // It may fail while nobody waits; who asks next is told.
    pending.catch(() => undefined)
    return pending
  }

  /** @returns null when the event is hidden. */
  #passed(event: FeedEvent<Row>): FeedEvent<Row> | null {
    const { sourceId, sequence, logEpoch } = event
    if (event.kind !== 'message' || this.#filter.matches(event)) {
      this.#hidden.delete(sourceId)
      return event
    }
    const hidden = this.#hidden.get(sourceId) ?? { sinceMs: performance.now(), count: 0, sequence, logEpoch }
    this.#hidden.set(sourceId, hidden)
    hidden.count += 1
    hidden.sequence = sequence
    hidden.logEpoch = logEpoch
    return null
  }

  #progress(): FeedEvent<Row> | null {
    if (this.#hidden.size === 0) return null
    const nowMs = performance.now()
    for (const [sourceId, hidden] of this.#hidden) {
      if (hidden.count < this.#filter.maxHidden && nowMs < this.#dueMs(hidden)) continue
      this.#hidden.delete(sourceId)
      const { sequence, logEpoch } = hidden
      return { kind: 'progress', sourceId, sequence, logEpoch }
    }
    return null
  }

  #dueMs({ sinceMs }: Hidden): number {
    return sinceMs + this.#filter.maxQuietMs
  }
}

/** @returns null when the time comes first. */
async function before<Result>(timeMs: number, promise: Promise<Result>): Promise<Result | null> {
  let timer: NodeJS.Timeout | undefined
  const time = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), Math.max(0, timeMs - performance.now()))
  })
  try {
    return await Promise.race([promise, time])
  } finally {
    clearTimeout(timer)
  }
}
