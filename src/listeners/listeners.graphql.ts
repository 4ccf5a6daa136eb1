import { ApiKeyNode, apiKeyById } from '../auth/auth.graphql.ts'
import { seesSource } from '../auth/viewer.ts'
import { builder } from '../graphql/builder.ts'
import { checkFirst, pageArguments, pagedList, totalCountOf } from '../graphql/connection.ts'
import type { Context } from '../graphql/context.ts'
import { contextLoader } from '../graphql/context-loader.ts'
import { addNodeKind } from '../graphql/node.ts'
import { requestError } from '../graphql/request-error.ts'
import { isId, type ListenerId } from '../kernel/ids.ts'
import { MessageEvent } from '../messages/message-received.graphql.ts'
import { cursorIn, readRows } from '../messages/source-messages.graphql.ts'
import { headOf, loadSource, SourceNode } from '../sources/sources.graphql.ts'
import { eventsAfter, type Listener, type ListenerEvent, readingPlace } from './index.ts'

const ListenerStateEnum = builder.enumType('ListenerState', {
  description: 'Whether a listener is being read.',
  values: {
    LIVE: { value: 'live', description: 'A stream holds it.' },
    WAITING: { value: 'waiting', description: 'No stream holds it.' },
    DISCONNECTED: {
      value: 'disconnected',
      description: 'Its key has lost the right to the source; it goes on when the right returns.',
    },
  } as const,
})

export const ListenerNode = builder.objectRef<Listener>('Listener')

builder.node(ListenerNode, {
  description: "A durable place in a source's log, kept for a key under a name.",
  authScopes: { scope: 'listen' },
  id: { resolve: (listener) => listener.id, description: '`lsn_…`' },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique for its key.' }),
    source: t.field({
      type: SourceNode,
      description: 'The source that it reads; null while the key in use may not use it.',
      nullable: true,
      resolve: (listener, _args, context) => loadSource(context, listener.sourceId),
    }),
    apiKey: t.field({
      type: ApiKeyNode,
      description: 'The key that owns it.',
      resolve: async (listener, _args, context) => {
        const apiKey = await apiKeyById(context, listener.apiKeyId)
        if (apiKey === null) throw new Error(`key ${listener.apiKeyId} is not stored`)
        return apiKey
      },
    }),
    state: t.expose('state', { type: ListenerStateEnum, description: 'Whether it is being read.' }),
    acknowledged: t.field({
      type: 'Cursor',
      description: 'The place up to which all is acknowledged.',
      resolve: ({ sourceId, acknowledged: { logEpoch, sequence } }, _args, context) =>
        cursorIn(context, { sourceId, logEpoch }, sequence),
    }),
    lagCount: t.expose('lagCount', {
      type: 'SafeInt',
      description: 'How many messages come after that place, before any filter.',
    }),
    lastSeenAt: t.expose('lastSeenAt', {
      type: 'DateTime',
      description: 'When it was last read or acknowledged, within seconds; null when never.',
      nullable: true,
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was created.' }),
    events: t.field({
      type: [MessageEvent],
      description: `What comes after the acknowledged place, for clients that cannot hold a socket: a \`MessagesSkipped\` if something is
gone, messages, and a \`CaughtUp\` when the end is reached. Reading changes nothing; \`acknowledgeMessages\` moves on, and
its answer can hold the next events. Scope: LISTEN.`,
      args: {
        first: t.arg.int({
          required: true,
          defaultValue: 25,
          description: 'How many messages at most; 1 to 100. Large bodies can make it fewer.',
        }),
      },
      resolve: (listener, { first }, context) => readEvents(context, listener, checkFirst(first)),
    }),
  }),
})

async function readEvents(context: Context, listener: Listener, first: number): Promise<ListenerEvent[]> {
  const { sourceId } = listener
  if (listener.state === 'disconnected' || !seesSource(context.viewer, sourceId)) throw disconnected(listener)
  // A reader tells of a listener that it is alive; whoever else looks does not.
  if (listener.apiKeyId === context.viewer.keyId) context.services.listeners.noteReading(listener.id)
  const head = await headOf(context, sourceId)
  const place = readingPlace(listener.acknowledged, head)
  const rows = await readRows(context, { order: 'oldest-first', first, sourceId, sequence: place.sequence })
  return eventsAfter(place, head, rows)
}

function disconnected({ name }: Listener) {
  return requestError('FORBIDDEN', `The listener ${name} is disconnected: its key may not use the source.`)
}

const listenerById = contextLoader<ListenerId, Listener>(async ({ services, viewer }, ids) => {
  const listeners = await services.listeners.byIds(viewer, ids)
  return new Map(listeners.map((listener) => [listener.id, listener]))
})

addNodeKind('lsn', {
  typename: 'Listener',
  scope: 'listen',
  load: async (context, id) => (isId('lsn', id) ? await listenerById(context, id) : null),
})

/** A listener of the key in use whose source the key may use. */
export async function ownListener({ services, viewer }: Context, name: string): Promise<Listener> {
  const listener = await services.listeners.byName(viewer, name)
  if (listener === null) throw requestError('NOT_FOUND', 'The key has no listener of this name.')
  if (listener.state === 'disconnected' || !seesSource(viewer, listener.sourceId)) throw disconnected(listener)
  return listener
}

builder.queryField('listener', (t) =>
  t.field({
    type: ListenerNode,
    description: 'A listener of the key in use. Scope: LISTEN.',
    nullable: true,
    skipTypeScopes: true,
    authScopes: { scope: 'listen' },
    args: { name: t.arg.string({ required: true, description: 'Its name.' }) },
    resolve: (_root, { name }, { services, viewer }) => services.listeners.byName(viewer, name),
  }),
)

const ListenerConnection = builder.connectionObject({
  type: ListenerNode,
  name: 'ListenerConnection',
  description: 'A page of listeners, by name.',
  fields: (t) => ({
    totalCount: t.int({ description: 'How many there are in all pages.', resolve: totalCountOf }),
  }),
})

// Several keys may have listeners of one name: a place in the list is an id, which has a fixed length, and the name.
type ListKey = `${ListenerId} ${string}`
const idLength = 'lsn_'.length + 26

const listenerList = pagedList(
  'listeners',
  (text): text is ListKey => isId('lsn', text.slice(0, idLength)) && text[idLength] === ' ',
)

function placeOf(key: ListKey): { name: string; id: ListenerId } {
  return { id: key.slice(0, idLength) as ListenerId, name: key.slice(idLength + 1) }
}

builder.queryField('listeners', (t) =>
  t.field({
    type: ListenerConnection,
    description: 'The listeners of the key in use, by name; of all keys with ADMIN. Scope: LISTEN.',
    skipTypeScopes: true,
    authScopes: { scope: 'listen' },
    args: pageArguments(t.arg),
    resolve: async (_root, args, context) => {
      const { services, viewer } = context
      const { first, after } = listenerList.read(context, args)
      const page = await services.listeners.page(viewer, { first, after: after === null ? null : placeOf(after) })
      const connection = listenerList.connection(context, args, {
        ...page,
        keyOf: ({ id, name }): ListKey => `${id} ${name}`,
      })
      return { ...connection, countAll: () => services.listeners.count(viewer) }
    },
  }),
)
