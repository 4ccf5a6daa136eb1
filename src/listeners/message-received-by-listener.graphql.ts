import { abortable } from '../graphql/abortable.ts'
import { builder } from '../graphql/builder.ts'
import { matchingEvents } from '../messages/matching-events.ts'
import { compileFilterArgument, MessageFilterInput } from '../messages/message-filter.graphql.ts'
import type { CompiledFilter } from '../messages/message-filter.ts'
import { existingSource, MessageEvent } from '../messages/message-received.graphql.ts'
import { cursorIn } from '../messages/source-messages.graphql.ts'
import type { Source } from '../sources/index.ts'
import { SourceNode } from '../sources/sources.graphql.ts'
import type { LeasedEvent, StreamListenerOptions } from './index.ts'
import { ownListener } from './listeners.graphql.ts'

builder.objectRef<LeasedEvent>('ListenerLeased').implement({
  description: 'The stream now holds the listener. The first event of `messageReceivedByListener`.',
  interfaces: [MessageEvent],
  fields: (t) => ({
    source: t.field({
      type: SourceNode,
      description: "The listener's source.",
      resolve: ({ sourceId }, _args, context) => existingSource(context, sourceId),
    }),
    cursor: t.field({
      type: 'Cursor',
      description: 'The acknowledged place, after which the stream goes on.',
      resolve: (event, _args, context) => cursorIn(context, event, event.sequence),
    }),
    lease: t.exposeString('lease', {
      description: 'What `acknowledgeMessages` must carry, until another stream takes the listener.',
    }),
  }),
})

builder.subscriptionField('messageReceivedByListener', (t) =>
  t.field({
    type: MessageEvent,
    description: `The messages after a listener's acknowledged place, beginning with \`ListenerLeased\`. A newer stream takes the listener;
the older one ends with LISTENER_TAKEN. Scope: LISTEN.`,
    authScopes: { scope: 'listen' },
    args: {
      name: t.arg.string({ required: true, description: 'The name of a listener of the key in use.' }),
      filter: t.arg({
        type: MessageFilterInput,
        description:
          'Only these; the place moves over the others. Null is all. The name of a source is the one it had at the beginning.',
      }),
    },
    subscribe: async (_root, { name, filter }, context) => {
      const compiled = filter ? compileFilterArgument(filter) : null
      const listener = await ownListener(context, name)
      const source = await existingSource(context, listener.sourceId)
      const select = compiled === null ? undefined : selectionOf(source, compiled)
      return abortable((signal) => context.services.listeners.stream({ listener, signal, select }))
    },
    resolve: (event) => event,
  }),
)

function selectionOf(source: Source, filter: CompiledFilter): StreamListenerOptions['select'] {
  return (events) => matchingEvents(events, [source], filter)
}
