import type { ApiKeyId, ListenerId, ProjectId, SourceId } from '../kernel/ids.ts'
import type { FeedEvent } from '../live/feed-event.ts'
import type { StoredMessage } from '../messages/message.ts'

/** `live`: a stream holds it; `waiting`: none does; `disconnected`: its key has lost the right to the source. */
export type ListenerState = 'live' | 'waiting' | 'disconnected'

/** A durable place in a source's log, kept for a key under a name. */
export interface Listener {
  readonly id: ListenerId
  readonly projectId: ProjectId
  readonly apiKeyId: ApiKeyId
  readonly sourceId: SourceId
  /** Unique for its key. */
  readonly name: string
  readonly state: ListenerState
  /** Up to here all is dealt with. */
  readonly acknowledged: LogPosition
  /** How many messages that are kept come after that place. */
  readonly lagCount: number
  /** Null when it was never read or acknowledged. */
  readonly lastSeenAt: Date | null
  readonly createdAt: Date
}

/** A place in a log: after this sequence of this history. */
export interface LogPosition {
  readonly logEpoch: string
  readonly sequence: number
}

/** The first event of a stream that holds a listener; its place is the acknowledged one. */
export interface LeasedEvent extends LogPosition {
  readonly kind: 'leased'
  readonly sourceId: SourceId
  /** What acknowledgements must carry, until another stream takes the listener. */
  readonly lease: string
}

export type ListenerEvent = LeasedEvent | FeedEvent<StoredMessage>
