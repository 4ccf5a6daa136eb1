import type { SourceId } from '../kernel/ids.ts'
import type { Logger } from '../kernel/log.ts'
import type { FeedMessage } from './feed-event.ts'
import type { LogHead, LogReader, LogRow } from './log-reader.ts'
import type { Tail, Tails } from './tail.ts'

/** A stream that reads a source. */
export interface SourceReader {
  /** Something may be there to read. Called often: cheap when nobody waits. */
  wake(): void
  /** Ends the stream with an error. */
  fail(error: Error): void
}

export interface WatchedSourceOptions<Row extends LogRow> {
  readonly sourceId: SourceId
  readonly reader: LogReader<Row>
  readonly tails: Tails<Row>
  readonly log: Logger
  readonly pageRows: number
  readonly pageBytes: number
  /** Of the pages that the tail reads: they must find room in it. */
  readonly tailPageBytes: number
  /** Asks for the source's head soon. */
  readonly askHead: (source: WatchedSource<Row>) => void
}

/** What is to be known about a source when its head is asked for. */
export interface HeadQuestion<Row extends LogRow> {
  readonly source: WatchedSource<Row>
  /** The log reached so far before the question: an answer below it tells of another history. */
  readonly confirmed: number
  /** Told once the answer is there. */
  readonly opening: readonly (() => void)[]
}

const firstRestMs = 100
const maxRestMs = 5_000

/**
 * One source that somebody streams: how far its log reaches, the shared tail, and all reading of pages.
 *
 * Reading never rejects. After a failure the source rests, longer each time, and then wakes its readers, so that one
 * source that cannot be read holds up itself alone.
 */
export class WatchedSource<Row extends LogRow> {
  readonly sourceId: SourceId
  readonly tail: Tail<Row>
  readonly readers = new Set<SourceReader>()
  /** 0 until the head is known; rises whenever the log turns out to be another one than before. */
  history = 0
  logEpoch = ''
  firstSequence = 1
  /** How far the log reaches by what we were told; a wake-up may have said too much. */
  reach = 0
  /** How far the log was seen to reach. */
  confirmed = 0
  /** While true nothing is read. */
  isResting = false

  readonly #options: WatchedSourceOptions<Row>
  #opening: (() => void)[] = []
  #isAdvancing = false
  #isClosed = false
  #failures = 0
  #restsUntilMs = 0

  constructor(options: WatchedSourceOptions<Row>) {
    this.#options = options
    this.sourceId = options.sourceId
    this.tail = options.tails.open(0)
  }

  /** Calls `settle` once a head is known that was asked for after this call. */
  open(settle: () => void): void {
    this.#opening.push(settle)
    this.#options.askHead(this)
  }

  question(): HeadQuestion<Row> {
    const opening = this.#opening
    this.#opening = []
    return { source: this, confirmed: this.confirmed, opening }
  }

  answer(question: HeadQuestion<Row>, head: LogHead): void {
    const isOther = this.history === 0 || head.logEpoch !== this.logEpoch || head.lastSequence < question.confirmed
    if (isOther) this.#begin(head)
    this.firstSequence = head.firstSequence
    this.reach = Math.max(this.reach, head.lastSequence)
    this.confirmed = Math.max(this.confirmed, head.lastSequence)
    for (const settle of question.opening) settle()
    this.wake()
  }

  /** The question could not be asked: it is asked again. */
  unanswered(question: HeadQuestion<Row>): void {
    this.#opening.push(...question.opening)
  }

  /** A wake-up came: the source now reaches so far. */
  reaches(sequence: number): void {
    if (sequence <= this.reach) return
    this.reach = sequence
    // The first one who waits for more has the tail read on, and all are woken when that is done.
    for (const reader of this.readers) {
      if (this.#isAdvancing) return
      reader.wake()
    }
  }

  wake(): void {
    for (const reader of this.readers) reader.wake()
  }

  /** Called now and then: ends a rest that is over. */
  tick(nowMs: number): void {
    if (!this.isResting || nowMs < this.#restsUntilMs) return
    this.isResting = false
    this.wake()
  }

  /**
   * Has the tail read on, for somebody who has read up to `sequence`, at its end or beyond. Streams that share the tail
   * share this reading. The readers are woken when it is done.
   */
  advance(sequence: number): void {
    if (this.#isAdvancing || this.isResting) return
    // Nobody has pulled the tail for long: it is quicker to start anew than to read what lies between.
    if (sequence - this.tail.end > this.#options.pageRows) this.#options.tails.restart(this.tail, sequence)
    this.#isAdvancing = true
    void this.#advance()
  }

  /** What follows a sequence, oldest first; null when nothing can be had now, or this is not the log any more. */
  page(afterSequence: number): Promise<FeedMessage<Row>[] | null> {
    return this.#read(afterSequence, { maxBytes: this.#options.pageBytes, isOwn: true })
  }

  async #read(
    afterSequence: number,
    { maxBytes, isOwn }: { readonly maxBytes: number; readonly isOwn: boolean },
  ): Promise<FeedMessage<Row>[] | null> {
    const { reader, pageRows } = this.#options
    const history = this.history
    try {
      const rows = await reader.page(this.sourceId, afterSequence, { maxRows: pageRows, maxBytes })
      if (history !== this.history || this.#isClosed) return null
      const messages = this.#messagesOf(rows, { afterSequence, isOwn })
      const last = messages.at(-1)
      if (last === undefined) {
        this.#foundNothing(afterSequence)
        return null
      }
      this.confirmed = Math.max(this.confirmed, last.sequence)
      this.reach = Math.max(this.reach, last.sequence)
      this.#succeeded()
      return messages
    } catch (error) {
      this.#failed(error)
      return null
    }
  }

  close(): void {
    this.#isClosed = true
    this.#options.tails.close(this.tail)
  }

  #begin(head: LogHead): void {
    // What was told by wake-ups before the first head holds; what was told of another log does not.
    if (this.history > 0) this.reach = head.lastSequence
    this.history += 1
    this.logEpoch = head.logEpoch
    this.confirmed = head.lastSequence
    this.#options.tails.restart(this.tail, head.lastSequence)
  }

  async #advance(): Promise<void> {
    const messages = await this.#read(this.tail.end, { maxBytes: this.#options.tailPageBytes, isOwn: false })
    this.#isAdvancing = false
    if (this.#isClosed) return
    if (messages !== null) this.#append(messages)
    this.wake()
  }

  #append(messages: readonly FeedMessage<Row>[]): void {
    const { tails } = this.#options
    for (const message of messages) {
      // Retention has taken what lies between; streams that had not read it see so by themselves.
      if (message.sequence > this.tail.end + 1) tails.restart(this.tail, message.sequence - 1)
      tails.append(this.tail, message)
    }
  }

  // Retention deletes from the front, so that a page has no hole within. Should it have one, what follows the hole is
  // left to the next page, which then begins with a gap.
  #messagesOf(
    rows: readonly Row[],
    { afterSequence, isOwn }: { readonly afterSequence: number; readonly isOwn: boolean },
  ): FeedMessage<Row>[] {
    const { sourceId, logEpoch } = this
    const messages: FeedMessage<Row>[] = []
    let previous: number | null = null
    for (const row of rows) {
      if (row.sequence <= (previous ?? afterSequence)) throw new Error(`a page of ${sourceId} is out of order`)
      if (previous !== null && row.sequence !== previous + 1) {
        this.#options.log.error({ sourceId, after: previous, found: row.sequence }, 'the log of a source has a hole')
        break
      }
      previous = row.sequence
      const message = { kind: 'message', sourceId, sequence: row.sequence, logEpoch, row } as const
      messages.push(isOwn ? { ...message, isOwn } : message)
    }
    return messages
  }

  // Either a wake-up has said too much, or retention has taken all of it: then the head tells where the log begins now.
  #foundNothing(afterSequence: number): void {
    if (afterSequence >= this.confirmed) {
      this.reach = this.confirmed
      return
    }
    this.#rest()
    this.#options.askHead(this)
  }

  #failed(error: unknown): void {
    if (this.#isClosed) return
    if (this.#failures === 0) {
      this.#options.log.warn({ err: error, sourceId: this.sourceId }, 'a source cannot be read; it is tried again')
    }
    this.#failures += 1
    this.#rest()
  }

  #succeeded(): void {
    if (this.#failures > 0) this.#options.log.info({ sourceId: this.sourceId }, 'a source can be read again')
    this.#failures = 0
  }

  #rest(): void {
    this.isResting = true
    this.#restsUntilMs = performance.now() + Math.min(firstRestMs * 2 ** Math.max(this.#failures - 1, 0), maxRestMs)
  }
}
