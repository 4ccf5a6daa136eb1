import { seesSource } from '../auth/viewer.ts'
import { bodiesTooLarge } from '../graphql/answer-budget.ts'
import { builder } from '../graphql/builder.ts'
import type { Context } from '../graphql/context.ts'
import { contextLoader } from '../graphql/context-loader.ts'
import { Header, toHeaders } from '../graphql/header.ts'
import { HttpMethod } from '../graphql/http-method.ts'
import { addNodeKind } from '../graphql/node.ts'
import { requestError } from '../graphql/request-error.ts'
import { isId, type MessageId } from '../kernel/ids.ts'
import { textOf } from '../kernel/json.ts'
import type { Source } from '../sources/index.ts'
import { loadSource, SourceNode } from '../sources/sources.graphql.ts'
import { eventIdOf, eventSourceOf, eventTypeOf } from './event-defaults.ts'
import { headerFieldsOf, type StoredMessage } from './message.ts'
import { parsedPayload } from './payload.ts'

const EventAttributes = builder.objectRef<StoredMessage>('EventAttributes').implement({
  description: 'CloudEvents context attributes, given by the sender or derived from its request.',
  fields: (t) => ({
    id: t.string({
      description: "The sender's id of the event; the message's own where it gave none.",
      resolve: eventIdOf,
    }),
    source: t.string({
      description: 'Where it happened, a URI reference; `/sources/<name>` where the sender said nothing.',
      resolve: async (message, _args, context) =>
        message.eventSource ?? eventSourceOf(message, (await sourceOf(context, message)).name),
    }),
    type: t.string({
      description: 'What happened, such as `order.created`; `webhook` where nothing says so.',
      resolve: eventTypeOf,
    }),
    subject: t.exposeString('eventSubject', {
      description: 'What it happened to; null when not said.',
      nullable: true,
    }),
    time: t.expose('eventTime', {
      type: 'DateTime',
      description: 'When it happened; null when not said.',
      nullable: true,
    }),
    dataSchema: t.exposeString('eventDataSchema', {
      description: 'The schema of the data, an absolute URI; null when not said.',
      nullable: true,
    }),
    extensions: t.field({
      type: 'JSON',
      description: 'Extension attributes as an object of name and value, at most 64.',
      resolve: ({ eventExtensions }, _args, { budget }) => {
        budget.write(eventExtensions?.length ?? 0)
        return eventExtensions === null ? {} : JSON.parse(eventExtensions)
      },
    }),
  }),
})

export const MessageNode = builder.objectRef<StoredMessage>('Message')

builder.node(MessageNode, {
  description: 'One event, as it was received. Never changes.',
  authScopes: { scope: 'listen' },
  id: { resolve: (message) => message.id, description: '`msg_…`, as the sender was answered.' },
  fields: (t) => ({
    source: t.field({
      type: SourceNode,
      description: 'Where it came in.',
      resolve: (message, _args, context) => sourceOf(context, message),
    }),
    sequence: t.expose('sequence', {
      type: 'SafeInt',
      description: 'Its number in the source: 1, 2, 3 … without holes, in the order of commit.',
    }),
    receivedAt: t.expose('receivedAt', { type: 'DateTime', description: 'When it was received.' }),
    method: t.field({
      type: HttpMethod,
      description: 'The method of the request; POST for published events.',
      resolve: ({ method }) => method as typeof HttpMethod.$inferType,
    }),
    path: t.exposeString('path', {
      nullable: true,
      description: "What followed the source's address, such as `/orders/7`; null when nothing did.",
    }),
    query: t.exposeString('query', {
      description: 'The query string without `?`; null when there was none.',
      nullable: true,
    }),
    headers: t.field({
      type: [Header],
      description:
        'The header fields in the order received, at most 20 kB. A credential that was checked here is redacted; a signature is kept.',
      resolve: (message, _args, { budget }) => {
        budget.write(message.headersText.length)
        return toHeaders(headerFieldsOf(message))
      },
    }),
    contentType: t.exposeString('contentType', {
      description: 'The Content-Type; null when none was sent.',
      nullable: true,
    }),
    remoteAddress: t.exposeString('remoteAddress', {
      description:
        "The address that it came from; behind trusted proxies the sender's own, empty when they do not tell it. Empty for `publishEvents`.",
    }),
    bodyBytes: t.int({ description: 'The size of the body in bytes.', resolve: bodyBytesOf }),
    body: t.field({
      type: 'Bytes',
      description: 'The body, byte for byte.',
      resolve: (message, _args, context) => writtenBody(message, context),
    }),
    text: t.string({
      description: 'The body as text; null when it is not UTF-8.',
      nullable: true,
      resolve: (message, _args, context) => textOf(writtenBody(message, context)),
    }),
    json: t.field({
      type: 'JSON',
      description:
        'The payload parsed: JSON, or form fields and GET parameters as an object of lists; null when neither, or nested over 500 levels.',
      nullable: true,
      resolve: (message, _args, { budget }) => {
        budget.write(message.body.length)
        return parsedPayload(message) ?? null
      },
    }),
    event: t.field({
      type: EventAttributes,
      description: "What it says of itself, in CloudEvents' words.",
      resolve: (message) => message,
    }),
    schemaViolation: t.exposeString('schemaViolation', {
      description: 'How it breaks the schema of its type, where that is only noted; null when it does not.',
      nullable: true,
    }),
  }),
})

function writtenBody({ body }: StoredMessage, { budget }: Context): Buffer {
  budget.write(body.length)
  return body
}

/** The message's source, which goes before its messages do. */
async function sourceOf(context: Context, message: StoredMessage): Promise<Source> {
  const source = await loadSource(context, message.sourceId)
  if (source === null) throw requestError('NOT_FOUND', `The source ${message.sourceId} was deleted.`)
  return source
}

const messageById = contextLoader<MessageId, StoredMessage>(async ({ services, viewer, budget }, ids) => {
  const found = await budget.read(bodyBytesOf, async (leftBytes) => {
    if (leftBytes === 0) throw bodiesTooLarge()
    const { messages, isCut } = await services.messages.byIds(viewer.projectId, ids, leftBytes)
    if (isCut) throw bodiesTooLarge()
    return messages
  })
  return new Map(found.map((message) => [message.id, message]))
})

export function bodyBytesOf({ body }: StoredMessage): number {
  return body.length
}

/** @returns null when it is unknown, another project's, or of a source that the key may not use. */
export async function loadMessage(context: Context, id: string): Promise<StoredMessage | null> {
  const message = isId('msg', id) ? await messageById(context, id) : null
  return message !== null && seesSource(context.viewer, message.sourceId) ? message : null
}

addNodeKind('msg', { typename: 'Message', scope: 'listen', load: loadMessage })

builder.queryField('message', (t) =>
  t.field({
    type: MessageNode,
    description: 'A message. Scope: LISTEN.',
    nullable: true,
    skipTypeScopes: true,
    authScopes: { scope: 'listen' },
    args: { id: t.arg.id({ required: true, description: 'Which one.' }) },
    resolve: (_root, { id }, context) => loadMessage(context, id),
  }),
)
