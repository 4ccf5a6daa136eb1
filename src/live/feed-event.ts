import type { SourceId } from '../kernel/ids.ts'

/** One message of a log. Readers of the same tail get the very same object, so that its frame can be made once. */
export interface FeedMessage<Row> {
  readonly kind: 'message'
  readonly sourceId: SourceId
  /** The place after the event: hand it in to go on from here. So it is for every kind. */
  readonly sequence: number
  readonly logEpoch: string
  readonly row: Row
}

/** Something that the reader had not read is gone; told once. The sequences that are gone, or null after a restore. */
export interface FeedGap {
  readonly kind: 'gap'
  readonly sourceId: SourceId
  readonly reason: 'retention' | 'restored'
  readonly fromSequence: number | null
  readonly toSequence: number | null
  readonly sequence: number
  readonly logEpoch: string
}

/**
 * `caught-up`: the source is read up to its end, told once per source. `progress`: what came was hidden by a filter, and
 * the place has moved on.
 */
export interface FeedNote {
  readonly kind: 'caught-up' | 'progress'
  readonly sourceId: SourceId
  readonly sequence: number
  readonly logEpoch: string
}

export type FeedEvent<Row> = FeedMessage<Row> | FeedGap | FeedNote
