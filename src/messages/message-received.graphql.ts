import { abortable } from '../graphql/abortable.ts'
import { builder } from '../graphql/builder.ts'
import type { Context } from '../graphql/context.ts'
import { badUserInput, requestError } from '../graphql/request-error.ts'
import type { SharedField } from '../graphql/sharing-key.ts'
import { unreachable } from '../kernel/unreachable.ts'
import type { ListenerEvent } from '../listeners/listener.ts'
import type { FeedEvent, FeedNote, FeedPosition } from '../live/feed.ts'
import type { Source } from '../sources/index.ts'
import { loadSource, SourceNode } from '../sources/sources.graphql.ts'
import { matchingEvents } from './matching-events.ts'
import type { StoredMessage } from './message.ts'
import { compileFilterArgument, MessageFilterInput } from './message-filter.graphql.ts'
import { MessageNode } from './messages.graphql.ts'
import { cursorIn } from './source-messages.graphql.ts'
import { beginStream } from './stream-begin.ts'

type Event = FeedEvent<StoredMessage>
type EventOf<Kind extends Event['kind']> = Extract<Event, { kind: Kind }>

export const MessageEvent = builder.interfaceRef<ListenerEvent>('MessageEvent').implement({
  description: `What a reader of logs is told. Within a source in the order of sequence; between sources there is none. Queries and
streams give the same events: \`messageReceived\` pushes them, \`Listener.events\` reads them.`,
  resolveType: ({ kind }) => typeOf(kind),
  fields: (t) => ({
    source: t.field({ type: SourceNode, description: 'The source that it is about.', resolve: sourceOf }),
    cursor: t.field({
      type: 'Cursor',
      description: "The place in the source's log after this event: hand it in to go on from here.",
      resolve: cursorOf,
    }),
  }),
})

builder.objectRef<EventOf<'message'>>('MessageReceived').implement({
  description: 'The next message of the source.',
  interfaces: [MessageEvent],
  fields: (t) => ({
    source: t.field({ type: SourceNode, description: "The message's source.", resolve: sourceOf }),
    cursor: t.field({ type: 'Cursor', description: 'The place after this message.', resolve: cursorOf }),
    message: t.field({ type: MessageNode, description: 'The message.', resolve: ({ row }) => row }),
  }),
})

const SkipReason = builder.enumType('SkipReason', {
  description: 'Why messages were skipped.',
  values: {
    RETENTION: { value: 'retention', description: 'Retention by age, count or size dropped them.' },
    RESTORED: {
      value: 'restored',
      description:
        'The data was restored from a backup: messages that were read may be gone, and sequences may come again.',
    },
  } as const,
})

builder.objectRef<EventOf<'gap'>>('MessagesSkipped').implement({
  description: 'Something that the reader had not read is gone; told once. Refresh what was built from the stream.',
  interfaces: [MessageEvent],
  fields: (t) => ({
    source: t.field({ type: SourceNode, description: 'The source with the gap.', resolve: sourceOf }),
    cursor: t.field({ type: 'Cursor', description: 'The place after the gap.', resolve: cursorOf }),
    reason: t.expose('reason', { type: SkipReason, description: 'Why it is gone.' }),
    fromSequence: t.expose('fromSequence', {
      type: 'SafeInt',
      description: 'The first sequence that is gone; null when the log was restored.',
      nullable: true,
    }),
    toSequence: t.expose('toSequence', {
      type: 'SafeInt',
      description: 'The last sequence that is gone; null when the log was restored.',
      nullable: true,
    }),
  }),
})

builder.objectRef<FeedNote>('CaughtUp').implement({
  description:
    'The reader has seen all that the source holds. Told once, at the end of the backlog; at once where there is none.',
  interfaces: [MessageEvent],
  fields: (t) => ({
    source: t.field({ type: SourceNode, description: 'The source that is read up to its end.', resolve: sourceOf }),
    cursor: t.field({ type: 'Cursor', description: 'The place after the latest message.', resolve: cursorOf }),
  }),
})

builder.objectRef<FeedNote>('Progressed').implement({
  description: 'The filter hid what came, and the place has moved on: after 1,000 hidden messages or 10 seconds.',
  interfaces: [MessageEvent],
  fields: (t) => ({
    source: t.field({ type: SourceNode, description: 'The source whose messages were hidden.', resolve: sourceOf }),
    cursor: t.field({ type: 'Cursor', description: 'The place after what was hidden.', resolve: cursorOf }),
  }),
})

builder.subscriptionField('messageReceived', (t) =>
  t.field({
    type: MessageEvent,
    description: `The messages of sources: what is stored after the given places, then each as it is committed; every one once, by
sequence within its source. Scope: LISTEN.`,
    authScopes: { scope: 'listen' },
    extensions: { placeArguments: ['after', 'since'] } satisfies SharedField,
    args: {
      sourceIds: t.arg.idList({ required: true, description: 'The sources; 1 to 100.' }),
      after: t.arg({
        type: ['Cursor'],
        description:
          'The last cursor of each source. A source without one begins at `since`; one of a source not asked for counts for nothing.',
      }),
      since: t.arg({
        type: 'DateTime',
        description: 'Begin with the first message that is kept and was received at or after this time; null is now.',
      }),
      filter: t.arg({
        type: MessageFilterInput,
        description:
          'Only these; the place moves over the others. Null is all. The name of a source is the one it had at the beginning.',
      }),
    },
    subscribe: async (_root, { filter, ...where }, context) => {
      const compiled = filter ? compileFilterArgument(filter) : null
      const { sources, positions } = await beginOf(context, where)
      const { feed } = context.services
      if (compiled === null) return feed.open({ positions })
      return abortable((signal) => matchingEvents(feed.open({ positions, signal }), sources, compiled))
    },
    resolve: (event) => event,
  }),
)

const maxSources = 100

interface Begin {
  readonly sources: Source[]
  readonly positions: readonly FeedPosition[]
}

interface Where {
  readonly sourceIds: readonly string[]
  readonly after?: readonly string[] | null | undefined
  readonly since?: Date | null | undefined
}

/** Where the stream begins in each source; all that can be wrong with the places is found before it does. */
async function beginOf(context: Context, { sourceIds, after, since }: Where): Promise<Begin> {
  if (sourceIds.length < 1 || sourceIds.length > maxSources) throw badUserInput('`sourceIds` needs 1 to 100 sources.')
  if ((after?.length ?? 0) > maxSources) throw badUserInput('`after` needs one cursor per source, 100 at most.')
  const sources = await Promise.all([...new Set(sourceIds)].map((id) => existingSource(context, id)))
  const begin = await beginStream(context.services.messages, {
    projectId: context.viewer.projectId,
    sourceIds: sources.map(({ id }) => id),
    after: after ?? [],
    since: since ?? null,
  })
  if (begin.kind === 'refused') throw badUserInput(begin.message)
  return { sources, positions: begin.positions }
}

export async function existingSource(context: Context, id: string): Promise<Source> {
  const source = await loadSource(context, id)
  if (source === null) throw requestError('NOT_FOUND', `There is no source ${id} that the key may use.`)
  return source
}

async function sourceOf(event: ListenerEvent, _args: object, context: Context): Promise<Source> {
  return await existingSource(context, event.sourceId)
}

function cursorOf(event: ListenerEvent, _args: object, context: Context): string {
  return cursorIn(context, event, event.sequence)
}

function typeOf(kind: ListenerEvent['kind']): string {
  switch (kind) {
    case 'leased':
      return 'ListenerLeased'
    case 'message':
      return 'MessageReceived'
    case 'gap':
      return 'MessagesSkipped'
    case 'caught-up':
      return 'CaughtUp'
    case 'progress':
      return 'Progressed'
    default:
      return unreachable(kind)
  }
}
