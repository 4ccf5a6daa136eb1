import { type Authenticator, allows, seesSource, type Viewer } from '../auth/index.ts'
import { isDatabaseAway } from '../db/is-database-away.ts'
import { CodedError } from '../kernel/coded-error.ts'
import { isId, type SourceId } from '../kernel/ids.ts'
import type { Feed } from '../live/feed.ts'
import type { SubscriptionLimit } from '../live/subscription-limit.ts'
import { matchingEvents } from '../messages/matching-events.ts'
import type { StoredMessage } from '../messages/message.ts'
import type { CompiledFilter } from '../messages/message-filter.ts'
import type { MessageStore } from '../messages/message-store.ts'
import { beginStream } from '../messages/stream-begin.ts'
import type { Source, SourceStore } from '../sources/index.ts'
import { createEventJson, type EventJson } from './event-json.ts'
import { createMessageStream, type MessageStream } from './message-stream.ts'
import type { StreamTickets } from './stream-tickets.ts'

/** What a reader asks for. */
export interface StreamRequest {
  /** The header's value, `Bearer hk_…`; of no account beside a ticket. */
  readonly authorization: string | undefined
  readonly ticket: string | null
  /** Names or ids, each once, at most 100. None with a ticket: all that it opens. */
  readonly sources: readonly string[]
  /** Cursors and ids of events; of two places of one source the last counts. */
  readonly after: readonly string[]
  readonly since: Date | null
  readonly filter: CompiledFilter | null
}

export interface OpenedStream {
  readonly kind: 'opened'
  readonly stream: MessageStream
  readonly viewer: Viewer
  readonly sourceIds: readonly SourceId[]
}

/** Why there is no stream; `detail` is public. */
export interface StreamRefusal {
  readonly kind: 'refused'
  readonly status: 400 | 401 | 403 | 404 | 429
  readonly code: 'BAD_USER_INPUT' | 'UNAUTHENTICATED' | 'FORBIDDEN' | 'NOT_FOUND' | 'LIMIT_REACHED'
  readonly detail: string
}

export type Opening = OpenedStream | StreamRefusal

/** The streams of this process. */
export interface MessageStreams {
  /**
   * A ticket is used up, whatever comes of it. Each stream ends with its key; who opened it ends it when its reader leaves.
   *
   * @throws CodedError DATABASE_UNAVAILABLE.
   */
  open(request: StreamRequest): Promise<Opening>
  /** Ends all streams, and those that are opened afterwards. */
  close(): void
}

export interface MessageStreamsDeps {
  readonly authenticator: Pick<Authenticator, 'authenticate' | 'viewerOf'>
  readonly streamTickets: Pick<StreamTickets, 'redeem'>
  readonly sources: Pick<SourceStore, 'byIds' | 'byName'>
  readonly messages: Pick<MessageStore, 'heads' | 'firstSequenceSince'>
  readonly feed: Pick<Feed<StoredMessage>, 'open'>
  /** Calls `end` when the viewer's key ends or loses rights; gives what stops the watch. */
  readonly keys: { watch(viewer: Viewer, end: (loss: 'ended' | 'narrowed') => void): () => void }
  readonly subscriptions: SubscriptionLimit
}

export function createMessageStreams(deps: MessageStreamsDeps): MessageStreams {
  const json = createEventJson()
  const open = new Set<MessageStream>()
  let isClosed = false

  /** Counts and watches the stream until it ends. */
  function follow(stream: MessageStream, viewer: Viewer, release: () => void): void {
    const stopWatching = deps.keys.watch(viewer, (loss) => stream.end(`key-${loss}`))
    open.add(stream)
    stream.ended.addEventListener('abort', () => {
      open.delete(stream)
      stopWatching()
      release()
    })
    if (isClosed) stream.end('stopping')
  }

  return {
    async open(request) {
      try {
        const opening = await openStream(deps, json, request)
        if (opening.kind === 'refused') return opening
        const { release, ...opened } = opening
        follow(opened.stream, opened.viewer, release)
        return opened
      } catch (cause) {
        if (!isDatabaseAway(cause)) throw cause
        throw new CodedError('DATABASE_UNAVAILABLE', 'The database cannot be reached at the moment.', { cause })
      }
    },
    close() {
      isClosed = true
      for (const stream of [...open]) stream.end('stopping')
    },
  }
}

/** @returns with the stream, what gives its place among the project's streams back. */
async function openStream(
  deps: MessageStreamsDeps,
  json: EventJson,
  request: StreamRequest,
): Promise<(OpenedStream & { readonly release: () => void }) | StreamRefusal> {
  const viewer = await viewerOf(deps, request)
  if ('kind' in viewer) return viewer
  const found = await sourcesOf(deps.sources, viewer, request.sources)
  if (!Array.isArray(found)) return found
  const { projectId } = viewer
  const { after, since, filter } = request
  const sourceIds = found.map(({ id }) => id)
  const begin = await beginStream(deps.messages, { projectId, sourceIds, after, since })
  if (begin.kind === 'refused') return refused(400, 'BAD_USER_INPUT', begin.message)
  const release = deps.subscriptions.take(projectId)
  if (release === null) return refused(429, 'LIMIT_REACHED', tooMany(deps.subscriptions.max))
  const { positions } = begin
  const stream = createMessageStream({
    sources: new Map(found.map((source) => [source.id, source])),
    positions,
    json,
    open(signal) {
      const events = deps.feed.open({ positions, signal })
      return filter === null ? events : matchingEvents(events, found, filter)
    },
  })
  return { kind: 'opened', stream, viewer, sourceIds, release }
}

function refused(status: StreamRefusal['status'], code: StreamRefusal['code'], detail: string): StreamRefusal {
  return { kind: 'refused', status, code, detail }
}

function noSource(text: string): StreamRefusal {
  return refused(404, 'NOT_FOUND', `There is no source ${JSON.stringify(text)} that may be streamed.`)
}

function tooMany(max: number): string {
  return `This process serves ${max} streams of a project at most.`
}

/** Whom the stream is for; with a ticket, limited to its sources. */
async function viewerOf(deps: MessageStreamsDeps, request: StreamRequest): Promise<Viewer | StreamRefusal> {
  if (request.ticket !== null) return await viewerOfTicket(deps, request.ticket)
  const viewer = await deps.authenticator.authenticate(request.authorization)
  if (viewer === null) return refused(401, 'UNAUTHENTICATED', 'An API key that holds, or a ticket, is needed.')
  return allows(viewer, 'listen') ? viewer : refused(403, 'FORBIDDEN', 'The key lacks the scope LISTEN.')
}

async function viewerOfTicket(deps: MessageStreamsDeps, text: string): Promise<Viewer | StreamRefusal> {
  const ticket = await deps.streamTickets.redeem(text)
  const viewer = ticket === null ? null : await deps.authenticator.viewerOf(ticket.keyId)
  if (ticket === null || viewer === null) {
    const detail = 'The ticket opens nothing: it holds for 60 seconds and for one stream. Ask for another.'
    return refused(401, 'UNAUTHENTICATED', detail)
  }
  // The key may have been limited since.
  const lost = ticket.sourceIds.find((id) => !seesSource(viewer, id))
  if (lost !== undefined) return noSource(lost)
  return { ...viewer, sourceIds: new Set(ticket.sourceIds) }
}

/** @param named names or ids; none means all that the viewer is limited to. */
async function sourcesOf(
  store: MessageStreamsDeps['sources'],
  viewer: Viewer,
  named: readonly string[],
): Promise<Source[] | StreamRefusal> {
  const texts = named.length > 0 ? named : [...(viewer.sourceIds ?? [])]
  const ids = texts.filter((text) => isId('src', text))
  const byId = new Map((await store.byIds(viewer, ids)).map((source) => [source.id, source]))
  const sources = new Map<SourceId, Source>()
  for (const text of texts) {
    const source = isId('src', text) ? byId.get(text) : await store.byName(viewer, text)
    if (!source) return noSource(text)
    sources.set(source.id, source)
  }
  return [...sources.values()]
}
