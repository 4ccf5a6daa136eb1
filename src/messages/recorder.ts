import { Gauge, Histogram, type Registry } from 'prom-client'
import type { SourceId } from '../kernel/ids.ts'
import { createLane } from './lane.ts'
import { type FanOutStatement, isLockTimeout, type Recorded, recordBatch } from './record-batch.ts'
import type { Recordable } from './record-statements.ts'
import {
  createQueue,
  createStation,
  enter,
  hasRoom,
  leave,
  move,
  type Station,
  takeBatch,
  type Waiting,
} from './station.ts'

/**
 * Writes messages by group commit. Each lane takes all that waits (bounded by rows and bytes), writes it in one
 * transaction, answers all of it and takes the next; while one transaction runs, the next batch gathers. There are no
 * timers: with one request the batch is one. A source keeps its lane, so that its requests are stored in the order in
 * which they came. A source whose head another session holds goes to a lane of its own kind for a while, with what waits
 * for it and with a queue apart, so that it delays nobody else and takes nobody's room.
 */
export interface Recorder {
  /** Never throws. `overloaded` at once when the queue is full: nothing was stored. */
  record(item: Recordable): Promise<Recorded | Overloaded>
  /**
   * All or none of several messages of one source, one at least; they get sequences in their order. Never throws.
   *
   * @returns an answer for each; unless every one is `recorded`, none of them was stored.
   */
  recordAll(items: Waiting['items']): Promise<readonly Recorded[] | Overloaded>
  /** Answers all that waits, then closes the connections. */
  close(): Promise<void>
}

interface Overloaded {
  readonly kind: 'overloaded'
}

export interface RecorderOptions {
  readonly databaseUrl: string
  readonly fanOutStatement: FanOutStatement
  /** Called after each commit with the sources' new last sequences. Must not throw. */
  readonly onCommitted: (heads: ReadonlyMap<SourceId, number>) => void
  readonly onError: (error: unknown, batchLength: number) => void
  readonly metrics: Registry
  readonly limits?: Partial<RecorderLimits>
}

export interface RecorderLimits {
  /** Connections that share the sources among them. */
  lanes: number
  /** Messages of one transaction, at most. */
  batchMessages: number
  /** Body bytes of one transaction; a larger message goes alone. */
  batchBytes: number
  /** Messages that wait, at most; more are turned away. */
  queueMessages: number
  /** Body bytes that wait, at most. */
  queueBytes: number
}

const defaults: RecorderLimits = {
  lanes: 2,
  batchMessages: 500,
  batchBytes: 4 * 1024 * 1024,
  queueMessages: 5_000,
  queueBytes: 128 * 1024 * 1024,
}

/** How long a source whose head was locked stays out of the shared lanes. */
const asideMs = 30_000
/** Of the bounds of the queue: what may wait for such sources, on top of it. */
const asideShare = 0.5

export function createRecorder(options: RecorderOptions): Recorder {
  const limits = { ...defaults, ...options.limits }
  const lane = () =>
    createLane({ databaseUrl: options.databaseUrl, onError: (error) => void options.onError(error, 0) })
  const sharedQueue = createQueue(limits, 1)
  const shared = Array.from({ length: limits.lanes }, () => createStation(lane(), sharedQueue))
  const aside = createStation(lane(), createQueue(limits, asideShare))
  const locked = createLockedSources()
  const meters = metersOf(options.metrics, () => sharedQueue.messages + aside.queue.messages)

  function stationOf(sourceId: SourceId): Station {
    if (locked.has(sourceId)) return aside
    const station = shared[sourceId.charCodeAt(sourceId.length - 1) % shared.length]
    if (station === undefined) throw new RangeError('a recorder needs a lane')
    return station
  }

  async function work(station: Station): Promise<void> {
    // One turn of the event loop lets the requests that arrived together enter one batch.
    await new Promise(setImmediate)
    while (station.waiting.length > 0) {
      const taken = takeBatch(station, limits)
      const started = performance.now()
      const items = taken.flatMap((waiting) => waiting.items)
      const allOrNone = items.length > taken.length
      const answers = await recordBatch(station.lane, { items, allOrNone }, options.fanOutStatement)
      meters.seconds.observe((performance.now() - started) / 1000)
      meters.messages.observe(items.length)
      leave(station, taken)
      announce(options, items, answers)
      giveAnswers(taken, answers)
      lockedSourcesOf(items, answers).forEach(locked.add)
      // What else waits for a locked source would delay the others once more with each batch.
      if (station !== aside && !locked.isEmpty()) move(station, aside, ({ message }) => locked.has(message.sourceId))
      if (aside.waiting.length > 0) aside.running ??= work(aside)
    }
    station.running = null
  }

  function recordAll(items: Waiting['items']): Promise<readonly Recorded[] | Overloaded> {
    const station = stationOf(items[0].message.sourceId)
    if (!hasRoom(station.queue, items)) return Promise.resolve({ kind: 'overloaded' })
    const recorded = enter(station, items)
    station.running ??= work(station)
    return recorded
  }

  return {
    recordAll,
    async record(item) {
      const recorded = await recordAll([item])
      return 'kind' in recorded ? recorded : (recorded[0] ?? noAnswer())
    },
    async close() {
      for (const station of [...shared, aside]) await station.running
      await Promise.all([...shared, aside].map((station) => station.lane.close()))
    },
  }
}

function announce(options: RecorderOptions, items: readonly Recordable[], answers: readonly Recorded[]): void {
  const heads = new Map<SourceId, number>()
  let failure: unknown
  answers.forEach((recorded, index) => {
    const sourceId = items[index]?.message.sourceId
    if (recorded.kind === 'unavailable') failure = recorded.error
    if (sourceId === undefined || recorded.kind !== 'recorded' || recorded.isDuplicate || recorded.sequence === null)
      return
    heads.set(sourceId, Math.max(heads.get(sourceId) ?? 0, recorded.sequence))
  })
  if (heads.size > 0) options.onCommitted(heads)
  if (failure !== undefined) options.onError(failure, items.length)
}

function giveAnswers(taken: readonly Waiting[], answers: readonly Recorded[]): void {
  let place = 0
  for (const { items, answer } of taken) {
    answer(answers.slice(place, place + items.length))
    place += items.length
  }
}

function noAnswer(): Recorded {
  return { kind: 'unavailable', error: new Error('no answer for a message') }
}

function lockedSourcesOf(items: readonly Recordable[], answers: readonly Recorded[]): SourceId[] {
  return items
    .filter((_, index) => {
      const recorded = answers[index]
      return recorded?.kind === 'unavailable' && isLockTimeout(recorded.error)
    })
    .map(({ message }) => message.sourceId)
}

/** The sources whose heads were found locked within the last while. */
function createLockedSources() {
  const untilMs = new Map<SourceId, number>()
  return {
    isEmpty() {
      for (const [sourceId, endMs] of untilMs) if (endMs < Date.now()) untilMs.delete(sourceId)
      return untilMs.size === 0
    },
    add: (sourceId: SourceId) => void untilMs.set(sourceId, Date.now() + asideMs),
    has(sourceId: SourceId): boolean {
      return (untilMs.get(sourceId) ?? 0) >= Date.now()
    },
  }
}

function metersOf(metrics: Registry, queuedMessages: () => number) {
  const registers = [metrics]
  new Gauge({
    name: 'hookline_recorder_queued_messages',
    help: 'Messages that wait to be recorded or are being recorded.',
    registers,
    collect() {
      this.set(queuedMessages())
    },
  })
  return {
    seconds: new Histogram({
      name: 'hookline_recorder_batch_seconds',
      help: 'Duration of one recording transaction.',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
      registers,
    }),
    messages: new Histogram({
      name: 'hookline_recorder_batch_messages',
      help: 'Messages of one recording transaction.',
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
      registers,
    }),
  }
}
