import type { SourceId } from '../kernel/ids.ts'
import type { EventFollower, FeedEvent, FeedMessage, TakenEvents } from './feed-event.ts'
import type { LogRow } from './log-reader.ts'
import type { SourceReader, WatchedSource } from './watched-source.ts'

/** Where a stream begins in one source's log. */
export interface FeedPosition {
  readonly sourceId: SourceId
  /** With the message that follows this sequence, or with what comes from now on. */
  readonly after: number | 'now'
  /** Which history of the log `after` belongs to; a position of another one gives a gap. */
  readonly logEpoch?: string
}

/** Where a stream stands in one source's log. */
interface Place<Row extends LogRow> {
  readonly source: WatchedSource<Row>
  readonly begin: FeedPosition
  /** False until the head that was asked for at the beginning is known. */
  isSettled: boolean
  /** The source's history that `sequence` belongs to. */
  history: number
  /** Of the last message read, or told to be gone. */
  sequence: number
  /** False where the stream began at the end, so that it is caught up whatever has come since. */
  hasBacklog: boolean
  /** Told once. */
  isCaughtUp: boolean
}

interface Waiting<Row> {
  readonly resolve: (result: IteratorResult<FeedEvent<Row>, undefined>) => void
  readonly reject: (error: Error) => void
}

/**
 * One subscriber's stream over several sources. It is pulled: `take()`, or `next()` where events are iterated over, looks
 * at the places in turn, beginning after the one that was served last, and takes
 *
 *   1. from the source's shared tail what is held there (no waiting, no allocation);
 *   2. behind the tail, from a page of its own: one at a time for the whole stream, so that its memory is bounded and
 *      the sources with a backlog take turns page by page;
 *   3. at the end of the tail, nothing: the tail reads on, and wakes all who wait there.
 *
 * So every place moves through its log one by one: backfill, cutover and stream differ only in where the next message is
 * found. Nothing is read unless somebody pulls.
 */
export class FeedStream<Row extends LogRow>
  implements AsyncIterableIterator<FeedEvent<Row>>, TakenEvents<FeedEvent<Row>>, SourceReader
{
  readonly #places: Place<Row>[]
  readonly #waiting: Waiting<Row>[] = []
  readonly #onEnd: () => void
  #follower: EventFollower | null = null
  /** Index of the place that is looked at first. */
  #turn = 0
  #page: { readonly place: Place<Row>; readonly messages: readonly FeedMessage<Row>[]; index: number } | null = null
  #isPaging = false
  #isEnded = false
  #error: Error | null = null

  constructor(begins: readonly { source: WatchedSource<Row>; position: FeedPosition }[], onEnd: () => void) {
    this.#onEnd = onEnd
    this.#places = begins.map(({ source, position }) => ({
      source,
      begin: position,
      isSettled: false,
      history: 0,
      sequence: 0,
      hasBacklog: true,
      isCaughtUp: false,
    }))
    for (const place of this.#places) {
      place.source.readers.add(this)
      place.source.open(() => settle(place))
    }
  }

  next(): Promise<IteratorResult<FeedEvent<Row>, undefined>> {
    if (this.#error !== null) {
      const error = this.#error
      this.#error = null
      return Promise.reject(error)
    }
    if (this.#isEnded) return Promise.resolve({ done: true, value: undefined })
    const event = this.#waiting.length === 0 ? this.take() : null
    if (event !== null) return Promise.resolve({ done: false, value: event })
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  follow(follower: EventFollower): void {
    this.#follower = follower
    if (this.#isEnded) this.#leave(this.#error)
  }

  return(): Promise<IteratorResult<FeedEvent<Row>, undefined>> {
    this.end()
    return Promise.resolve({ done: true, value: undefined })
  }

  throw(error: unknown): Promise<IteratorResult<FeedEvent<Row>, undefined>> {
    this.end()
    return Promise.reject(error)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  wake(): void {
    this.#follower?.ready()
    while (this.#waiting.length > 0) {
      const event = this.take()
      if (event === null) return
      this.#waiting.shift()?.resolve({ done: false, value: event })
    }
  }

  fail(error: Error): void {
    if (this.#isEnded) return
    const first = this.#waiting.shift()
    if (this.#follower !== null) this.#leave(error)
    else if (first === undefined) this.#error = error
    else first.reject(error)
    this.end()
  }

  /** Ends the stream at once, also for whoever waits. */
  end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#page = null
    for (const { source } of this.#places) source.readers.delete(this)
    for (const { resolve } of this.#waiting.splice(0)) resolve({ done: true, value: undefined })
    this.#leave(null)
    this.#onEnd()
  }

  #leave(error: Error | null): void {
    const follower = this.#follower
    this.#follower = null
    follower?.ended(error)
  }

  take(): FeedEvent<Row> | null {
    if (this.#isEnded) return null
    const count = this.#places.length
    for (let step = 0; step < count; step += 1) {
      const index = (this.#turn + step) % count
      const place = this.#places[index]
      const event = place === undefined ? null : this.#takeFrom(place)
      if (event === null) continue
      this.#turn = (index + 1) % count
      return event
    }
    return null
  }

  #takeFrom(place: Place<Row>): FeedEvent<Row> | null {
    const { source } = place
    if (!place.isSettled) return null
    if (place.history !== source.history) return this.#restored(place)
    if (!place.hasBacklog && !place.isCaughtUp) return caughtUp(place)
    const next = place.sequence + 1
    const held = source.tail.at(next)
    if (held !== undefined) {
      place.sequence = next
      return held
    }
    const paged = this.#takeFromPage(place, next)
    if (paged !== null) return paged
    if (next < source.firstSequence) return gap(place, source.firstSequence - 1)
    if (place.sequence < source.tail.end) this.#readPage(place)
    else if (place.sequence < source.reach) source.advance(place.sequence)
    else if (!place.isCaughtUp) return caughtUp(place)
    return null
  }

  // A page is left where the tail takes over, so that nobody runs ahead of the tail that all share.
  #takeFromPage(place: Place<Row>, next: number): FeedEvent<Row> | null {
    const page = this.#page
    if (page === null || page.place !== place) return null
    while ((page.messages[page.index]?.sequence ?? next) < next) page.index += 1
    const message = page.messages[page.index]
    if (message !== undefined && message.sequence > next) return gap(place, message.sequence - 1)
    page.index += 1
    if (page.index >= page.messages.length || next >= place.source.tail.start - 1) this.#page = null
    if (message === undefined || next > place.source.tail.end) return null
    place.sequence = next
    return message
  }

  #readPage(place: Place<Row>): void {
    if (this.#isPaging || this.#page !== null || place.source.isResting) return
    this.#isPaging = true
    void place.source.page(place.sequence).then((messages) => {
      this.#isPaging = false
      if (this.#isEnded) return
      if (messages !== null && place.history === place.source.history) this.#page = { place, messages, index: 0 }
      this.wake()
    })
  }

  #restored(place: Place<Row>): FeedEvent<Row> {
    if (this.#page?.place === place) this.#page = null
    const { source } = place
    place.history = source.history
    place.sequence = source.firstSequence - 1
    const { sourceId, logEpoch } = source
    const { sequence } = place
    return { kind: 'gap', sourceId, reason: 'restored', fromSequence: null, toSequence: null, sequence, logEpoch }
  }
}

// A place beyond the end was given by a history that is lost, such as that of a primary that failed before its standby
// had everything.
function settle<Row extends LogRow>(place: Place<Row>): void {
  const { source, begin } = place
  const end = source.confirmed
  const isOther =
    (begin.logEpoch ?? source.logEpoch) !== source.logEpoch || (begin.after !== 'now' && begin.after > end)
  place.isSettled = true
  place.history = isOther ? source.history - 1 : source.history
  place.sequence = begin.after === 'now' ? end : begin.after
  place.hasBacklog = isOther || place.sequence < end
}

function gap<Row extends LogRow>(place: Place<Row>, toSequence: number): FeedEvent<Row> {
  const { sourceId, logEpoch } = place.source
  const fromSequence = place.sequence + 1
  place.sequence = toSequence
  return { kind: 'gap', sourceId, reason: 'retention', fromSequence, toSequence, sequence: toSequence, logEpoch }
}

function caughtUp<Row extends LogRow>(place: Place<Row>): FeedEvent<Row> {
  place.isCaughtUp = true
  const { sourceId, logEpoch } = place.source
  return { kind: 'caught-up', sourceId, sequence: place.sequence, logEpoch }
}
