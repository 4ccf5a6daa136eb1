import type { LogHead } from '../live/log-reader.ts'
import type { StoredMessage } from '../messages/message.ts'
import type { ListenerEvent, LogPosition } from './listener.ts'

/** Where reading goes on, and whether something is gone before that place. */
export interface ReadingPlace {
  /** What follows it is to be read. */
  readonly sequence: number
  readonly isRestored: boolean
}

/** Pure. A place that the log does not know, of another history or beyond its end, is from before a restored backup. */
export function readingPlace(acknowledged: LogPosition, head: LogHead): ReadingPlace {
  const { logEpoch, sequence } = acknowledged
  const isRestored = logEpoch !== head.logEpoch || sequence > head.lastSequence
  return { sequence: isRestored ? head.firstSequence - 1 : sequence, isRestored }
}

/**
 * What a reader without a stream is told: a gap if something is gone, the messages, and that it has caught up when the
 * end is reached. Pure.
 *
 * @param head as it was before the messages were read.
 * @param messages those that follow `place`, oldest first.
 */
export function eventsAfter(
  place: ReadingPlace,
  head: LogHead,
  messages: readonly StoredMessage[],
): Exclude<ListenerEvent, { kind: 'leased' }>[] {
  const { sourceId, logEpoch } = head
  const begin = messages[0]?.sequence ?? Math.max(place.sequence + 1, head.firstSequence)
  const end = messages.at(-1)?.sequence ?? begin - 1
  const at = { sourceId, logEpoch }
  const gap = { kind: 'gap', ...at, sequence: begin - 1 } as const
  return [
    ...(place.isRestored ? [{ ...gap, reason: 'restored', fromSequence: null, toSequence: null } as const] : []),
    ...(!place.isRestored && begin > place.sequence + 1
      ? [{ ...gap, reason: 'retention', fromSequence: place.sequence + 1, toSequence: begin - 1 } as const]
      : []),
    ...messages.map((row) => ({ kind: 'message', ...at, sequence: row.sequence, row }) as const),
    ...(end >= head.lastSequence ? [{ kind: 'caught-up', ...at, sequence: end } as const] : []),
  ]
}
