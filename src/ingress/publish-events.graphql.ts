import { GraphQLError } from 'graphql'
import { builder } from '../graphql/builder.ts'
import type { RequestErrorCode } from '../graphql/request-error.ts'
import { type Done, NotFoundError, outcomeType, resultOf, ValidationError } from '../graphql/user-errors.ts'
import type { StoredMessage } from '../messages/message.ts'
import { loadMessage, MessageNode } from '../messages/messages.graphql.ts'
import type { PublishedEvent } from './publish-events.ts'
import { type Busy, publishInput } from './publish-input.ts'

const BodyInput = builder.inputType('BodyInput', {
  description: 'A body in one of three forms.',
  isOneOf: true,
  fields: (t) => ({
    json: t.field({ type: 'JSON', description: 'Written out compactly as `application/json`.' }),
    text: t.string({ description: 'Sent as UTF-8, unchanged; `text/plain` unless said otherwise.' }),
    bytes: t.field({
      type: 'Bytes',
      description: 'Sent unchanged; `application/octet-stream` unless said otherwise.',
    }),
  }),
})

export const EventInput = builder.inputType('EventInput', {
  description: 'An event to publish.',
  fields: (t) => ({
    id: t.string({
      description: "Its id; with `source` it keeps duplicates out for the source's window. Left out: generated.",
    }),
    type: t.string({ required: true, description: 'What happened: dotted, such as `order.created`.' }),
    source: t.string({ description: 'Where it happened, a URI reference; left out: `/sources/<name>`.' }),
    subject: t.string({ description: 'What it happened to.' }),
    time: t.field({ type: 'DateTime', description: 'When it happened; left out: now.' }),
    dataContentType: t.string({
      description: 'The media type of the data; left out: that of the form in which it is given.',
    }),
    dataSchema: t.string({ description: 'The schema of the data, an absolute URI.' }),
    extensions: t.field({
      type: 'JSON',
      description:
        'Extension attributes: an object of lower-case names and text, whole numbers or booleans; at most 64.',
    }),
    data: t.field({ type: BodyInput, description: 'What happened in full.' }),
  }),
})

const PublishEventsInput = builder.inputType('PublishEventsInput', {
  description: 'Events to publish: all or none.',
  fields: (t) => ({
    sourceId: t.id({ required: true, description: 'The source to publish in.' }),
    events: t.field({
      type: [EventInput],
      required: true,
      description:
        "1 to 500, together within the source's largest body times 10 and within 32 MiB, the data of each within its largest body.",
    }),
  }),
})

const PublishedEventType = builder.objectRef<PublishedEvent>('PublishedEvent').implement({
  description: 'What became of one event.',
  fields: (t) => ({
    messageId: t.id({
      description: 'The id of the message that holds it: a new one, or the earlier one of the same id.',
      resolve: ({ id }) => id,
    }),
    message: t.field({
      type: MessageNode,
      nullable: true,
      description: 'The message; null when it is an earlier one that retention has dropped. Scope: LISTEN.',
      resolve: (event, _args, context) => storedMessageOf(event) ?? loadMessage(context, event.id),
    }),
    isDuplicate: t.exposeBoolean('isDuplicate', {
      description: 'Whether the event was known, so that nothing was stored.',
    }),
  }),
})

/** The message as it was written, which need not be read for that; null when it is an earlier one. */
function storedMessageOf({ message, sequence, isDuplicate }: PublishedEvent): StoredMessage | null {
  if (isDuplicate || sequence === null) return null
  return { ...message, sequence, sizeBytes: message.body.length + message.headersText.length }
}

const PublishEventsPayload = builder.objectRef<Done<readonly PublishedEvent[]>>('PublishEventsPayload').implement({
  description: 'What became of the events, in the order given.',
  fields: (t) => ({
    events: t.field({
      type: [PublishedEventType],
      description: 'One for each event.',
      resolve: ({ value }) => [...value],
    }),
  }),
})

const PublishEventsResult = builder.unionType('PublishEventsResult', {
  description: 'Answer of `publishEvents`.',
  types: [PublishEventsPayload, NotFoundError, ValidationError],
  resolveType: outcomeType('PublishEventsPayload'),
})

builder.mutationField('publishEvents', (t) =>
  t.field({
    type: PublishEventsResult,
    description: 'Publishes events in a source: all or none, durable when answered. Scope: PUBLISH.',
    skipTypeScopes: true,
    authScopes: { scope: 'publish' },
    args: { input: t.arg({ type: PublishEventsInput, required: true, description: 'Where, and what.' }) },
    resolve: async (_root, { input }, { services, viewer }) => {
      const outcome = await publishInput(services.publisher, viewer, input)
      if (outcome.kind === 'busy') throw unavailable(outcome)
      return resultOf(outcome, 'not-found', 'invalid')
    },
  }),
)

function unavailable({ message, retryAfterMs }: Busy): GraphQLError {
  const code: RequestErrorCode = 'UNAVAILABLE'
  return new GraphQLError(message, { extensions: { code, retryAfterMs } })
}
