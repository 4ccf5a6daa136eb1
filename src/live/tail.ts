import type { FeedMessage } from './feed-event.ts'
import type { LogRow } from './log-reader.ts'

/** Bytes that tails may hold. */
export interface TailLimits {
  readonly tailBytes: number
  readonly totalBytes: number
}

/** The tails of a process, which share one bound. */
export class Tails<Row extends LogRow> {
  readonly #limits: TailLimits
  readonly #tails = new Set<Tail<Row>>()
  #bytes = 0

  constructor(limits: TailLimits) {
    this.#limits = limits
  }

  /** An empty tail whose next message is the one after `end`. */
  open(end: number): Tail<Row> {
    const tail = new Tail<Row>(end)
    this.#tails.add(tail)
    return tail
  }

  close(tail: Tail<Row>): void {
    this.restart(tail, tail.end)
    this.#tails.delete(tail)
  }

  append(tail: Tail<Row>, message: FeedMessage<Row>): void {
    tail.push(message)
    this.#bytes += message.row.sizeBytes
    while (tail.bytes > this.#limits.tailBytes) this.#bytes -= tail.shift()
    while (this.#bytes > this.#limits.totalBytes) this.#bytes -= this.#largest().shift()
  }

  /** Forgets what the tail holds; its next message is the one after `end`. */
  restart(tail: Tail<Row>, end: number): void {
    this.#bytes -= tail.bytes
    tail.clear(end)
  }

  // Rare: only when many sources are busy at once.
  #largest(): Tail<Row> {
    let largest: Tail<Row> | null = null
    for (const tail of this.#tails) {
      if (largest === null || tail.bytes > largest.bytes) largest = tail
    }
    if (largest === null) throw new Error('the bytes of the tails were miscounted')
    return largest
  }
}

/** The latest messages of one source, without a hole: `start` to `end`, or none when `start` is `end + 1`. */
export class Tail<Row extends LogRow> {
  #messages: (FeedMessage<Row> | undefined)[] = []
  /** Index of the oldest message: shifting an array costs its length. */
  #oldest = 0
  #end: number
  #bytes = 0

  constructor(end: number) {
    this.#end = end
  }

  get end(): number {
    return this.#end
  }

  get start(): number {
    return this.#end + 1 - (this.#messages.length - this.#oldest)
  }

  get bytes(): number {
    return this.#bytes
  }

  at(sequence: number): FeedMessage<Row> | undefined {
    const index = sequence - this.start
    return index < 0 ? undefined : this.#messages[this.#oldest + index]
  }

  push(message: FeedMessage<Row>): void {
    if (message.sequence !== this.#end + 1) throw new Error(`${message.sequence} does not follow ${this.#end}`)
    this.#messages.push(message)
    this.#end += 1
    this.#bytes += message.row.sizeBytes
  }

  /** Drops the oldest message. @returns its bytes. */
  shift(): number {
    const message = this.#messages[this.#oldest]
    if (message === undefined) throw new Error('an empty tail holds no bytes')
    this.#messages[this.#oldest] = undefined
    this.#oldest += 1
    // Each message is moved once on average.
    if (this.#oldest * 2 >= this.#messages.length) {
      this.#messages = this.#messages.slice(this.#oldest)
      this.#oldest = 0
    }
    this.#bytes -= message.row.sizeBytes
    return message.row.sizeBytes
  }

  clear(end: number): void {
    this.#messages = []
    this.#oldest = 0
    this.#bytes = 0
    this.#end = end
  }
}
