import { CodedError } from '../kernel/coded-error.ts'
import type { Feed, FeedEvent } from '../live/feed.ts'
import type { StoredMessage } from '../messages/message.ts'
import type { Listener, ListenerEvent } from './listener.ts'
import type { ListenerLeases } from './listener-leases.ts'

type Event = FeedEvent<StoredMessage>

export interface StreamListenerDeps {
  readonly leases: Pick<ListenerLeases, 'take'>
  readonly feed: Pick<Feed<StoredMessage>, 'open'>
}

export interface StreamListenerOptions {
  readonly listener: Pick<Listener, 'id' | 'sourceId'>
  readonly signal: AbortSignal
  /** Hides what the reader does not want; see `filteredEvents`. */
  readonly select?: ((events: AsyncIterator<Event, undefined>) => AsyncIterator<Event, undefined>) | undefined
}

/**
 * The lease, then what follows the acknowledged place. The listener is taken when the first event is asked for, and let
 * go of at the end.
 *
 * @throws CodedError LISTENER_TAKEN when a newer stream takes the listener, FORBIDDEN when its key loses the right to the
 *   source, NOT_FOUND when the listener or its source is deleted.
 */
export async function* streamListener(
  { leases, feed }: StreamListenerDeps,
  { listener, signal, select = (events) => events }: StreamListenerOptions,
): AsyncGenerator<ListenerEvent, void, undefined> {
  const { id, sourceId } = listener
  const ending = new AbortController()
  const held = await leases.take(id, (error) => ending.abort(error))
  if (held === null) throw new CodedError('NOT_FOUND', `The listener ${id} was deleted.`)
  const { lease, acknowledged } = held
  const position = { sourceId, after: acknowledged.sequence, logEpoch: acknowledged.logEpoch }
  const events = select(feed.open({ positions: [position], signal: AbortSignal.any([signal, ending.signal]) }))
  try {
    yield { kind: 'leased', sourceId, ...acknowledged, lease }
    for (let result = await events.next(); !result.done; result = await events.next()) {
      held.sent(result.value)
      yield result.value
    }
    ending.signal.throwIfAborted()
  } finally {
    held.release()
    await events.return?.()
  }
}
