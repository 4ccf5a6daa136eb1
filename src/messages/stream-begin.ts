import type { ProjectId, SourceId } from '../kernel/ids.ts'
import { decodePlaces, type MessageCursor } from '../live/cursor.ts'
import type { FeedPosition } from '../live/feed.ts'
import type { LogHead } from '../live/log-reader.ts'
import type { MessageStore } from './message-store.ts'

/** Where a reader asks a stream to begin. */
export interface BeginRequest {
  readonly projectId: ProjectId
  /** Each once. */
  readonly sourceIds: readonly SourceId[]
  /** Cursors, of one or several sources each; of two places of one source the last counts. */
  readonly after: readonly string[]
  /** For the sources without a cursor; null: with what comes from now on. */
  readonly since: Date | null
}

export type StreamBegin =
  | { readonly kind: 'begins'; readonly positions: readonly FeedPosition[] }
  /** `message` is public, and names `after` or `since`. */
  | { readonly kind: 'refused'; readonly message: string }

/** Clocks of clients may go before ours by so much. */
const maxAheadMs = 60_000

/** Finds where a stream begins in each source's log. All that can be wrong with the places is found here. */
export async function beginStream(
  messages: Pick<MessageStore, 'heads' | 'firstSequenceSince'>,
  { projectId, sourceIds, after, since }: BeginRequest,
): Promise<StreamBegin> {
  const places = placesOf(projectId, after)
  if (places === null) {
    return refused('`after` holds something that is not a cursor of a source in this project.')
  }
  if (since !== null && since.getTime() > Date.now() + maxAheadMs) return refused('`since` lies in the future.')
  const heads = new Map((await messages.heads(sourceIds)).map((head) => [head.sourceId, head]))
  const isBeyond = sourceIds.some((id) => isOfFuture(places.get(id), heads.get(id)))
  if (isBeyond) return refused('`after` holds a place that the log has not reached.')
  const positions = sourceIds.map(async (sourceId): Promise<FeedPosition> => {
    const place = places.get(sourceId)
    if (place !== undefined) return { sourceId, after: place.sequence, logEpoch: place.logEpoch }
    const head = heads.get(sourceId)
    // It was just deleted: the feed says so.
    if (head === undefined) return { sourceId, after: 'now' }
    const last = since === null ? head.lastSequence : (await messages.firstSequenceSince(sourceId, since)) - 1
    return { sourceId, after: last, logEpoch: head.logEpoch }
  })
  return { kind: 'begins', positions: await Promise.all(positions) }
}

function refused(message: string): StreamBegin {
  return { kind: 'refused', message }
}

function placesOf(projectId: ProjectId, texts: readonly string[]): ReadonlyMap<SourceId, MessageCursor> | null {
  const places = new Map<SourceId, MessageCursor>()
  for (const text of texts) {
    const decoded = decodePlaces(text)
    if (decoded === null) return null
    for (const place of decoded) {
      if (place.projectId !== projectId) return null
      places.set(place.sourceId, place)
    }
  }
  return places
}

// A place of another epoch is from before a restored backup: the feed tells of the gap. So it does of one that expired.
function isOfFuture(place: MessageCursor | undefined, head: LogHead | undefined): boolean {
  return place?.logEpoch === head?.logEpoch && (place?.sequence ?? 0) > (head?.lastSequence ?? 0)
}
