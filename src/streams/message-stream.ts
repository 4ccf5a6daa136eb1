import { CodedError } from '../kernel/coded-error.ts'
import type { SourceId } from '../kernel/ids.ts'
import { encodePlaces, type MessageCursor } from '../live/cursor.ts'
import type { FeedEvent, FeedPosition } from '../live/feed.ts'
import type { StoredMessage } from '../messages/message.ts'
import type { Source } from '../sources/index.ts'
import type { EventJson } from './event-json.ts'

/** One event, as a reader is told of it. */
export interface StreamedEvent {
  readonly kind: FeedEvent<unknown>['kind']
  /** The reader's places in all of its sources after this event: handed in, the stream goes on from here. */
  readonly id: string
  /** JSON in UTF-8, on one line. */
  readonly data: Buffer
}

/** Why a stream ended: its reader left, its key ended, one of its sources was deleted, the process stops. */
export type StreamEnd = 'left' | 'key-ended' | 'key-narrowed' | 'source-gone' | 'stopping'

/** One reader's stream. */
export interface MessageStream {
  /** The places that it begins at; null while none is known. */
  readonly beginId: string | null
  /** The next event, or why there is none any more. One at a time. */
  next(): Promise<StreamedEvent | StreamEnd>
  /** Ends the stream, also for a `next()` that waits. Only the first reason counts. */
  end(reason: StreamEnd): void
  /** Aborts when the stream ends. */
  readonly ended: AbortSignal
}

export interface MessageStreamOptions {
  /** By id. */
  readonly sources: ReadonlyMap<SourceId, Source>
  readonly positions: readonly FeedPosition[]
  /** Opens the events; they end with the signal. */
  readonly open: (signal: AbortSignal) => AsyncIterator<FeedEvent<StoredMessage>, undefined>
  readonly json: EventJson
}

export function createMessageStream({ sources, positions, open, json }: MessageStreamOptions): MessageStream {
  const controller = new AbortController()
  const places = createPlaces(sources, positions)
  const events = open(controller.signal)
  let reason: StreamEnd | null = null

  function end(why: StreamEnd): StreamEnd {
    reason ??= why
    controller.abort()
    return reason
  }

  return {
    beginId: places.id(),
    async next() {
      try {
        const result = await events.next()
        const source = result.done ? undefined : sources.get(result.value.sourceId)
        // The feed closes when the process stops.
        if (reason !== null || result.done || source === undefined) return end('stopping')
        places.move(result.value)
        return { kind: result.value.kind, id: places.id() ?? '', data: json.of(result.value, source) }
      } catch (error) {
        if (error instanceof CodedError && error.code === 'NOT_FOUND') return end('source-gone')
        end('stopping')
        throw error
      }
    },
    end,
    ended: controller.signal,
  }
}

/** The reader's places in all sources. Those of sources that were deleted just now are not known. */
function createPlaces(sources: ReadonlyMap<SourceId, Source>, positions: readonly FeedPosition[]) {
  const places = new Map<SourceId, MessageCursor>()
  function move({ sourceId, logEpoch, sequence }: Omit<MessageCursor, 'projectId'>): void {
    const projectId = sources.get(sourceId)?.projectId
    if (projectId !== undefined) places.set(sourceId, { projectId, sourceId, logEpoch, sequence })
  }
  for (const { sourceId, after, logEpoch } of positions) {
    if (after !== 'now' && logEpoch !== undefined) move({ sourceId, logEpoch, sequence: after })
  }
  return { move, id: () => (places.size === 0 ? null : encodePlaces([...places.values()])) }
}
