import { unreachable } from '../kernel/unreachable.ts'
import { encodeCursor } from '../live/cursor.ts'
import type { FeedEvent } from '../live/feed-event.ts'
import type { StoredMessage } from '../messages/message.ts'
import { messageJson } from '../messages/message-json.ts'
import type { Source } from '../sources/index.ts'

/** An event as plain HTTP shows it; the names and values are those of the GraphQL interface `MessageEvent`. */
export function eventJson(event: FeedEvent<StoredMessage>, source: Pick<Source, 'id' | 'name' | 'projectId'>): object {
  const { sourceId, logEpoch, sequence } = event
  const { id, name, projectId } = source
  const common = { cursor: encodeCursor({ projectId, sourceId, logEpoch, sequence }), source: { id, name } }
  switch (event.kind) {
    case 'message':
      return { __typename: 'MessageReceived', ...common, message: messageJson(event.row, source) }
    case 'gap': {
      const { reason, fromSequence, toSequence } = event
      return { __typename: 'MessagesSkipped', ...common, reason: reason.toUpperCase(), fromSequence, toSequence }
    }
    case 'caught-up':
      return { __typename: 'CaughtUp', ...common }
    case 'progress':
      return { __typename: 'Progressed', ...common }
    default:
      return unreachable(event)
  }
}
