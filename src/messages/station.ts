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

/** What stands or falls together: one message, or several of one source. */
export interface Waiting {
  readonly items: readonly [Recordable, ...Recordable[]]
  /** One for each item. */
  readonly answer: (recorded: readonly Recorded[]) => void
}

/** @param share of the limits. */
export function createQueue(limits: { queueMessages: number; queueBytes: number }, share: number): Queue {
  return { messages: 0, bytes: 0, maxMessages: limits.queueMessages * share, maxBytes: limits.queueBytes * share }
}

export function createStation(lane: Lane, queue: Queue): Station {
  return { lane, queue, waiting: [], running: null }
}

/** What alone is larger than the bound gets in when nothing else is there. */
export function hasRoom({ messages, bytes, maxMessages, maxBytes }: Queue, items: readonly Recordable[]): boolean {
  return messages < maxMessages && (bytes === 0 || bytes + bodyBytesOf(items) <= maxBytes)
}

/** @returns the answers, once somebody gives them. Until they leave, the messages count for the queue. */
export function enter(station: Station, items: Waiting['items']): Promise<readonly Recorded[]> {
  count(station.queue, items, 1)
  return new Promise((resolve) => {
    station.waiting.push({ items, answer: resolve })
  })
}

export function leave({ queue }: Station, taken: readonly Waiting[]): void {
  for (const { items } of taken) count(queue, items, -1)
}

/** Takes what one transaction shall hold: one at least where any waits. What stands together goes alone. */
export function takeBatch({ waiting }: Station, limits: { batchMessages: number; batchBytes: number }): Waiting[] {
  let bytes = 0
  let length = 0
  for (const { items } of waiting) {
    bytes += bodyBytesOf(items)
    if (length > 0 && (items.length > 1 || length === limits.batchMessages || bytes > limits.batchBytes)) break
    length += 1
    if (items.length > 1) break
  }
  return waiting.splice(0, length)
}

/** Moves what waits, in its order and whether there is room or not: it was let in once. */
export function move(from: Station, to: Station, isMoved: (item: Recordable) => boolean): void {
  const { true: moved = [], false: kept = [] } = Object.groupBy(from.waiting, ({ items }) => `${isMoved(items[0])}`)
  if (moved.length === 0) return
  leave(from, moved)
  for (const { items } of moved) count(to.queue, items, 1)
  from.waiting.splice(0, from.waiting.length, ...kept)
  to.waiting.push(...moved)
}

function count(queue: Queue, items: readonly Recordable[], sign: 1 | -1): void {
  queue.messages += sign * items.length
  queue.bytes += sign * bodyBytesOf(items)
}

function bodyBytesOf(items: readonly Recordable[]): number {
  let bytes = 0
  for (const { message } of items) bytes += message.body.length
  return bytes
}
