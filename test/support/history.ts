import type { StreamedMessage } from './stream.ts'

/** What must never happen, counted over a whole history: each must be 0. */
export interface Verdict {
  readonly acknowledgedButMissing: number
  readonly changedContent: number
  readonly twiceInStream: number
  readonly outOfOrder: number
  readonly neverDelivered: number
}

export const nothingWrong: Verdict = {
  acknowledgedButMissing: 0,
  changedContent: 0,
  twiceInStream: 0,
  outOfOrder: 0,
  neverDelivered: 0,
}

export function judge(history: {
  acknowledged: ReadonlyMap<string, string>
  streamed: readonly StreamedMessage[]
  deliveredIds: ReadonlySet<string>
}): Verdict {
  const contents = new Map(history.streamed.map(({ id, body }) => [id, Buffer.from(body, 'base64').toString()]))
  const ids = [...history.acknowledged.keys()]
  const count = (list: readonly unknown[]) => list.length
  return {
    acknowledgedButMissing: count(ids.filter((id) => !contents.has(id))),
    changedContent: count(ids.filter((id) => contents.has(id) && contents.get(id) !== history.acknowledged.get(id))),
    twiceInStream: history.streamed.length - contents.size,
    // Dense as well as rising: a hole would be a message that the stream has left out.
    outOfOrder: count(history.streamed.filter((message, index) => message.sequence !== index + 1)),
    neverDelivered: count(history.streamed.filter(({ id }) => !history.deliveredIds.has(id))),
  }
}

/** One message, as the log has it. */
export interface LogEntry {
  readonly sourceId: string
  readonly sequence: number
  readonly id: string
  readonly content: string
}

/** What a subscriber was told, in the order in which it came. */
export type Heard =
  | ({ readonly kind: 'message' } & LogEntry)
  | {
      readonly kind: 'gap'
      readonly sourceId: string
      readonly reason: string
      readonly fromSequence: number
      readonly toSequence: number
    }

/**
 * Compares a record with the log, source by source.
 *
 * @param log what should have been heard; of each source in order.
 * @param firstSequence the first message of a source that retention keeps: only what lies before it may be a gap.
 * @returns the first thing that is wrong with each source, in words; nothing when the record is the log.
 */
export function differences(
  heard: readonly Heard[],
  log: readonly LogEntry[],
  firstSequence: (sourceId: string) => number,
): string[] {
  const sourceIds = new Set([...heard, ...log].map(({ sourceId }) => sourceId))
  return [...sourceIds].flatMap((sourceId) => {
    const ofSource = <Item extends { sourceId: string }>(items: readonly Item[]) =>
      items.filter((item) => item.sourceId === sourceId)
    const difference = differenceOfSource(ofSource(heard), ofSource(log), firstSequence(sourceId))
    return difference === null ? [] : [`${sourceId}: ${difference}`]
  })
}

function differenceOfSource(heard: readonly Heard[], log: readonly LogEntry[], firstSequence: number): string | null {
  let place = 0
  let lastSequence = 0
  for (const event of heard) {
    const next = log[place]
    if (event.kind === 'message') {
      const isNext = event.id === next?.id && event.sequence === next.sequence && event.content === next.content
      if (!isNext) return `after ${lastSequence} came ${event.sequence} instead of ${next?.sequence ?? 'nothing'}`
      place += 1
      lastSequence = event.sequence
      continue
    }
    const { reason, fromSequence, toSequence } = event
    const isExplained = reason === 'RETENTION' && fromSequence > lastSequence && toSequence < firstSequence
    if (!isExplained) return `after ${lastSequence} came a gap ${fromSequence}-${toSequence}: ${reason}`
    // A message before the gap that was not heard is found to be missing at the next one.
    while (isWithin(log[place], fromSequence, toSequence)) place += 1
    lastSequence = toSequence
  }
  return place === log.length ? null : `${log.length - place} are missing after ${lastSequence}`
}

function isWithin(entry: LogEntry | undefined, from: number, to: number): boolean {
  return entry !== undefined && entry.sequence >= from && entry.sequence <= to
}
