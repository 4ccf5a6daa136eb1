import type { SourceId } from '../kernel/ids.ts'

/** One message of a log. */
export interface FeedMessage<Row> {
  readonly kind: 'message'
  readonly sourceId: SourceId
  /** The place after the event: hand it in to go on from here. So it is for every kind. */
  readonly sequence: number
  readonly logEpoch: string
  /** Set where a stream has read it for itself. Readers of the same tail get the very same object. */
  readonly isOwn?: true
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

/**
 * Events that are taken when they are there, without a promise for each: many subscribers wait for the same message, and
 * to each of them a promise costs more than the message.
 */
export interface TakenEvents<Event> {
  /** @returns null when nothing is there now; the follower is told when something may be. Nothing is read ahead of it. */
  take(): Event | null
  /** From now on events are taken; nobody may ask for the next one besides. */
  follow(follower: EventFollower): void
  /** Ends the events at once. The follower is told of it. */
  end(): void | Promise<void>
}

export interface EventFollower {
  /** Something may be there to take. Called often: cheap when nothing is wanted. */
  ready(): void
  /** There are no more events. Called once. @param error what ended them; null when nothing failed. */
  ended(error: unknown): void
}
