import { type FilteredMessage, filteredMessage } from './filtered-message.ts'
import type { StoredMessage } from './message.ts'

/** What the subscribers of a burst look at within the same moment. */
const maxMessages = 64
/** Bodies of these; parsed they take several times as much. */
const maxBytes = 4 * 1_048_576

const latest = new Map<StoredMessage, { readonly sourceName: string; readonly seen: FilteredMessage }>()
let latestBytes = 0

/**
 * As `filteredMessage`, but for those who look at the same message one after the other: its payload is parsed once for
 * all filters of this process. Subscribers of one tail get the very same message objects.
 */
export function latestFiltered(message: StoredMessage, sourceName: string): FilteredMessage {
  const known = latest.get(message)
  if (known?.sourceName === sourceName) return known.seen
  const seen = filteredMessage(message, sourceName)
  // Two names of one source are rare, and last as long as the subscriptions from before its renaming.
  if (known === undefined && message.body.length <= maxBytes / 4) remember(message, sourceName, seen)
  return seen
}

function remember(message: StoredMessage, sourceName: string, seen: FilteredMessage): void {
  latest.set(message, { sourceName, seen })
  latestBytes += message.body.length
  for (const oldest of latest.keys()) {
    if (latest.size <= maxMessages && latestBytes <= maxBytes) return
    latest.delete(oldest)
    latestBytes -= oldest.body.length
  }
}
