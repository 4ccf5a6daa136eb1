import { unreachable } from '../kernel/unreachable.ts'
import { encodeCursor } from '../live/cursor.ts'
import type { FeedEvent } from '../live/feed.ts'
import type { StoredMessage } from '../messages/message.ts'
import { messageJson } from '../messages/message-json.ts'
import type { Source } from '../sources/index.ts'

type Event = FeedEvent<StoredMessage>

/** What readers are told of events: JSON in UTF-8, on one line. */
export interface EventJson {
  /** @param source of the event. The bytes are shared: they are not to be changed. */
  of(event: Event, source: Source): Buffer
}

/** Messages of the latest moments, which all live readers of a source are told at about the same time. */
const maxRemembered = 32
const maxRememberedBytes = 131_072

export function createEventJson(): EventJson {
  // Readers of the same tail get the very same event. Two readers know a source by two names while it is renamed.
  const remembered = new Map<Event, { readonly name: string; readonly json: Buffer }>()

  function remember(event: Event, name: string, json: Buffer): void {
    if (json.length > maxRememberedBytes) return
    remembered.set(event, { name, json })
    const [oldest] = remembered.keys()
    if (remembered.size > maxRemembered && oldest !== undefined) remembered.delete(oldest)
  }

  return {
    of(event, source) {
      const known = remembered.get(event)
      if (known?.name === source.name) return known.json
      const json = Buffer.from(JSON.stringify(dataOf(event, source)))
      if (event.kind === 'message') remember(event, source.name, json)
      return json
    },
  }
}

function dataOf(event: Event, source: Source): object {
  const { projectId, id, name } = source
  const { sourceId, logEpoch, sequence } = event
  const cursor = encodeCursor({ projectId, sourceId, logEpoch, sequence })
  switch (event.kind) {
    case 'message':
      return { cursor, ...messageJson(event.row, source) }
    case 'gap': {
      const { reason, fromSequence, toSequence } = event
      return { cursor, source: { id, name }, reason: reason.toUpperCase(), fromSequence, toSequence }
    }
    case 'caught-up':
    case 'progress':
      return { cursor, source: { id, name } }
    default:
      return unreachable(event)
  }
}
