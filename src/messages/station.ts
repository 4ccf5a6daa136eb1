import type { Lane } from './lane.ts'
import type { Recorded } from './record-batch.ts'
import type { Recordable } from './record-statements.ts'

/** A lane with what waits for it. */
export interface Station {
  readonly lane: Lane
  /** May be shared with other stations. */
  readonly queue: Queue
  readonly waiting: Waiting[]
  /** The work on what waits; null while nothing does. */
  running: Promise<void> | null
}

/** What waits or is being recorded. */
export interface Queue {
  messages: number
  /** Of bodies. */
  bytes: number
  readonly maxMessages: number
  readonly maxBytes: number
}

export interface Waiting {
  readonly item: Recordable
  readonly answer: (recorded: Recorded) => void
}

/** @param share of the limits. */
export function createQueue(limits: { queueMessages: number; queueBytes: number }, share: number): Queue {
  return { messages: 0, bytes: 0, maxMessages: limits.queueMessages * share, maxBytes: limits.queueBytes * share }
}

export function createStation(lane: Lane, queue: Queue): Station {
  return { lane, queue, waiting: [], running: null }
}

/** A message that alone is larger than the bound gets in when nothing else is there. */
export function hasRoom({ messages, bytes, maxMessages, maxBytes }: Queue, { message }: Recordable): boolean {
  return messages < maxMessages && (bytes === 0 || bytes + message.body.length <= maxBytes)
}

/** @returns the answer, once somebody gives it. Until it leaves, the message counts for the queue. */
export function enter(station: Station, item: Recordable): Promise<Recorded> {
  count(station.queue, item, 1)
  return new Promise((resolve) => {
    station.waiting.push({ item, answer: resolve })
  })
}

export function leave({ queue }: Station, messages: readonly Waiting[]): void {
  for (const { item } of messages) count(queue, item, -1)
}

/** Takes what one transaction shall hold: one message at least where any waits. */
export function takeBatch({ waiting }: Station, limits: { batchMessages: number; batchBytes: number }): Waiting[] {
  let bytes = 0
  let length = 0
  for (const { item } of waiting) {
    bytes += item.message.body.length
    if (length > 0 && (length === limits.batchMessages || bytes > limits.batchBytes)) break
    length += 1
  }
  return waiting.splice(0, length)
}

/** Moves what waits, in its order and whether there is room or not: it was let in once. */
export function move(from: Station, to: Station, isMoved: (item: Recordable) => boolean): void {
  const { true: moved = [], false: kept = [] } = Object.groupBy(from.waiting, ({ item }) => `${isMoved(item)}`)
  if (moved.length === 0) return
  leave(from, moved)
  for (const { item } of moved) count(to.queue, item, 1)
  from.waiting.splice(0, from.waiting.length, ...kept)
  to.waiting.push(...moved)
}

function count(queue: Queue, { message }: Recordable, sign: 1 | -1): void {
  queue.messages += sign
  queue.bytes += sign * message.body.length
}
