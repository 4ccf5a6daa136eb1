import type { FeedEvent } from '../live/feed.ts'
import type { Source } from '../sources/index.ts'
import { filteredEvents } from './filtered-events.ts'
import { latestFiltered } from './latest-filtered.ts'
import type { StoredMessage } from './message.ts'
import type { CompiledFilter } from './message-filter.ts'

/**
 * A stream without the messages that do not match.
 *
 * @param sources of the stream; their names are those of now, however long it lasts.
 */
export function matchingEvents(
  events: AsyncIterator<FeedEvent<StoredMessage>, undefined>,
  sources: readonly Source[],
  filter: CompiledFilter,
): AsyncIterator<FeedEvent<StoredMessage>, undefined> {
  const names = new Map(sources.map(({ id, name }) => [id, name]))
  return filteredEvents(events, {
    matches: ({ row, sourceId }) => filter.matches(latestFiltered(row, names.get(sourceId) ?? '')),
  })
}
