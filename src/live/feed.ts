import { Counter, Gauge, type Registry } from 'prom-client'
import { CodedError } from '../kernel/coded-error.ts'
import type { SourceId } from '../kernel/ids.ts'
import type { Logger } from '../kernel/log.ts'
import { type Bus, sourceChannel } from './bus.ts'
import type { FeedEvent, TakenEvents } from './feed-event.ts'
import { type FeedPosition, FeedStream } from './feed-stream.ts'
import type { LogReader, LogRow } from './log-reader.ts'
import { Tails } from './tail.ts'
import { WatchedSource } from './watched-source.ts'

export type { EventFollower, FeedEvent, FeedGap, FeedMessage, FeedNote, TakenEvents } from './feed-event.ts'
export type { FeedPosition } from './feed-stream.ts'
export type { LogHead, LogReader, LogRow } from './log-reader.ts'

/*
 * The feed gives every subscriber each message of a source once, in sequence order, or tells of a gap. It pulls: what the
 * bus brings only says how far a source reaches, and can be lost.
 *
 *   FeedStream      one per subscriber; its place in each of its sources
 *   WatchedSource   one per source with subscribers; reads new rows once into the Tail that they share
 *   Feed            asks for the heads of the sources: at the opening of a stream, when the bus has recovered, and of all
 *                   sources always, every second without a healthy bus and every 5 s with one, since a wake-up between
 *                   COMMIT and PUBLISH can be lost. One timer serves all.
 */

export interface FeedOptions<Row extends LogRow> {
  readonly reader: LogReader<Row>
  readonly bus: Bus
  readonly log: Logger
  readonly metrics: Registry
  /** What the tail of one source may hold. Default 8 MiB. */
  readonly tailBytes?: number
  /** What all tails of the process may hold. Default 64 MiB. */
  readonly totalTailBytes?: number
  /** Rows of one page at most. Default 500. */
  readonly pageRows?: number
  /** Bytes of one page at most, but for a single row that is larger. Default 2 MiB. */
  readonly pageBytes?: number
  /** How often the heads of all sources are asked for. Default 5,000 and 1,000. */
  readonly pollMs?: { readonly healthy: number; readonly unhealthy: number }
}

export interface Feed<Row> {
  /**
   * Streams several sources, each from its own position; of two positions of one source the first counts. Events of
   * one source come in order, and sources take turns. Nothing is read for a stream that is not pulled, either by `next()`
   * or, without a promise for each event, by `take()`.
   *
   * The stream ends when the signal aborts, or `return()` or `end()` is called, at once. While the database is away it waits.
   *
   * @throws CodedError NOT_FOUND from `next()` when a source does not exist, or not any more.
   */
  open(options: {
    readonly positions: readonly FeedPosition[]
    readonly signal?: AbortSignal
  }): AsyncIterableIterator<FeedEvent<Row>> & TakenEvents<FeedEvent<Row>>
  /** Ends all streams. */
  close(): void
}

const mebibyte = 1_048_576
const tickMs = 100
const retryHeadsMs = 500

export function createFeed<Row extends LogRow>(options: FeedOptions<Row>): Feed<Row> {
  return new PullingFeed(options)
}

class PullingFeed<Row extends LogRow> implements Feed<Row> {
  readonly #options: FeedOptions<Row>
  readonly #tails: Tails<Row>
  readonly #watched = new Map<SourceId, { readonly source: WatchedSource<Row>; readonly unsubscribe: () => void }>()
  readonly #streams = new Set<FeedStream<Row>>()
  /** Whose heads are to be asked for. */
  readonly #asked = new Set<WatchedSource<Row>>()
  readonly #metrics: { readonly wakeUps: Counter; readonly polls: Counter }
  readonly #timer: NodeJS.Timeout
  readonly #stopRecovering: () => void
  #isAsking = false
  #isClosed = false
  #polledMs = 0
  /** 0 while the heads can be read. */
  #retryHeadsAtMs = 0

  constructor(options: FeedOptions<Row>) {
    this.#options = options
    const { tailBytes = 8 * mebibyte, totalTailBytes = 64 * mebibyte } = options
    this.#tails = new Tails({ tailBytes, totalBytes: totalTailBytes })
    this.#metrics = registerMetrics(options.metrics, () => this.#streams.size)
    this.#stopRecovering = options.bus.onRecovered(() => this.#askAll())
    this.#timer = setInterval(() => this.#tick(), tickMs)
    this.#timer.unref()
  }

  open({ positions, signal }: Parameters<Feed<Row>['open']>[0]): FeedStream<Row> {
    const bySource = new Map<SourceId, FeedPosition>()
    for (const position of positions) {
      if (!bySource.has(position.sourceId)) bySource.set(position.sourceId, position)
    }
    const begins = [...bySource.values()].map((position) => ({ position, source: this.#watch(position.sourceId) }))
    const stream = new FeedStream(begins, () => {
      signal?.removeEventListener('abort', end)
      this.#streams.delete(stream)
      for (const { source } of begins) this.#release(source)
    })
    const end = (): void => stream.end()
    this.#streams.add(stream)
    signal?.addEventListener('abort', end, { once: true })
    if (signal?.aborted || this.#isClosed) stream.end()
    return stream
  }

  close(): void {
    this.#isClosed = true
    clearInterval(this.#timer)
    this.#stopRecovering()
    for (const stream of [...this.#streams]) stream.end()
  }

  #watch(sourceId: SourceId): WatchedSource<Row> {
    const known = this.#watched.get(sourceId)
    if (known !== undefined) return known.source
    const { reader, log, bus, tailBytes = 8 * mebibyte, pageRows = 500, pageBytes = 2 * mebibyte } = this.#options
    const source = new WatchedSource<Row>({
      sourceId,
      reader,
      log,
      tails: this.#tails,
      pageRows,
      pageBytes,
      tailPageBytes: Math.min(pageBytes, tailBytes),
      askHead: (asking) => this.#ask(asking),
    })
    const unsubscribe = bus.subscribe(sourceChannel(sourceId), (payload) => this.#wakeUp(source, payload))
    this.#watched.set(sourceId, { source, unsubscribe })
    return source
  }

  #release(source: WatchedSource<Row>): void {
    if (source.readers.size > 0) return
    const watched = this.#watched.get(source.sourceId)
    if (watched?.source !== source) return
    this.#watched.delete(source.sourceId)
    this.#asked.delete(source)
    watched.unsubscribe()
    source.close()
  }

  #wakeUp(source: WatchedSource<Row>, payload: string): void {
    this.#metrics.wakeUps.inc()
    const sequence = Number(payload)
    if (payload === '' || !Number.isSafeInteger(sequence)) this.#ask(source)
    else source.reaches(sequence)
  }

  #tick(): void {
    const nowMs = performance.now()
    const { healthy, unhealthy } = this.#options.pollMs ?? { healthy: 5_000, unhealthy: 1_000 }
    const pollMs = this.#options.bus.isHealthy() ? healthy : unhealthy
    // Timers may be early by a fraction.
    if (this.#watched.size > 0 && nowMs - this.#polledMs >= pollMs - tickMs / 2) {
      this.#metrics.polls.inc()
      this.#askAll()
    }
    if (this.#asked.size > 0) void this.#askHeads()
    for (const { source } of this.#watched.values()) source.tick(nowMs)
  }

  #askAll(): void {
    this.#polledMs = performance.now()
    for (const { source } of this.#watched.values()) this.#ask(source)
  }

  // What is asked for within one tick goes into one query.
  #ask(source: WatchedSource<Row>): void {
    this.#asked.add(source)
    if (!this.#isAsking) queueMicrotask(() => void this.#askHeads())
  }

  // One query at a time, so that answers come in the order of the questions.
  async #askHeads(): Promise<void> {
    if (this.#isAsking || performance.now() < this.#retryHeadsAtMs) return
    this.#isAsking = true
    let isAnswered = true
    while (isAnswered && this.#asked.size > 0 && !this.#isClosed) isAnswered = await this.#askOnce()
    this.#isAsking = false
  }

  /** @returns false when the heads cannot be read now. */
  async #askOnce(): Promise<boolean> {
    const { reader, log } = this.#options
    const questions = [...this.#asked].map((source) => source.question())
    this.#asked.clear()
    try {
      const heads = await reader.heads(questions.map(({ source }) => source.sourceId))
      const bySource = new Map(heads.map((head) => [head.sourceId, head]))
      if (this.#retryHeadsAtMs > 0) log.info('the heads of the sources can be read again')
      this.#retryHeadsAtMs = 0
      for (const question of questions) {
        const head = bySource.get(question.source.sourceId)
        if (head === undefined) failReaders(question.source)
        else question.source.answer(question, head)
      }
      return true
    } catch (error) {
      if (this.#retryHeadsAtMs === 0) log.warn({ err: error }, 'the heads of the sources cannot be read: streams wait')
      this.#retryHeadsAtMs = performance.now() + retryHeadsMs
      for (const question of questions) {
        question.source.unanswered(question)
        if (this.#watched.get(question.source.sourceId)?.source === question.source) this.#asked.add(question.source)
      }
      return false
    }
  }
}

function failReaders<Row extends LogRow>(source: WatchedSource<Row>): void {
  for (const reader of [...source.readers]) {
    reader.fail(new CodedError('NOT_FOUND', `The source ${source.sourceId} does not exist.`))
  }
}

function registerMetrics(metrics: Registry, streamCount: () => number): { wakeUps: Counter; polls: Counter } {
  new Gauge({
    name: 'hookline_feed_streams',
    help: 'Open message streams.',
    registers: [metrics],
    collect() {
      this.set(streamCount())
    },
  })
  return {
    wakeUps: new Counter({
      name: 'hookline_feed_wake_ups_total',
      help: 'Wake-ups received for watched sources.',
      registers: [metrics],
    }),
    polls: new Counter({
      name: 'hookline_feed_polls_total',
      help: 'Times that the heads of all watched sources were asked for without a wake-up, in case one was lost.',
      registers: [metrics],
    }),
  }
}
