import { allows, seesSource } from '../auth/viewer.ts'
import { builder } from '../graphql/builder.ts'
import { pageArguments, pagedList, totalCountOf } from '../graphql/connection.ts'
import type { Context } from '../graphql/context.ts'
import { contextLoader } from '../graphql/context-loader.ts'
import { HttpMethod } from '../graphql/http-method.ts'
import { HttpResponse } from '../graphql/http-response.ts'
import { addNodeKind } from '../graphql/node.ts'
import { isId, type SourceId } from '../kernel/ids.ts'
import type { LogHead } from '../live/log-reader.ts'
import { RateLimitType, RetentionType } from '../projects/limits.graphql.ts'
import { ownProject } from '../projects/projects.graphql.ts'
import type { AcceptedResponse } from '../signatures/index.ts'
import { shownResponse } from './accepted-response.ts'
import { EventMapping } from './event-mapping.graphql.ts'
import type { Source } from './source.entity.ts'
import { eventsUrlOf, ingressUrlOf, queueUrlOf } from './source-addresses.ts'
import { Verification } from './source-verification.graphql.ts'
import { verifies } from './source-verification.ts'

export const SourceNode = builder.objectRef<Source>('Source')

builder.node(SourceNode, {
  description: 'A named place that messages come in at: its addresses, its verification, its limits and its log.',
  id: { resolve: (source) => source.id, description: '`src_…`' },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Lower-case name, unique in the project.' }),
    ingressUrl: t.field({
      type: 'URL',
      description:
        'The address with the secret token, for senders that need no other proof; null for the built-in source and when the key lacks MANAGE.',
      nullable: true,
      resolve: (source, _args, { services, viewer }) =>
        allows(viewer, 'manage') ? ingressUrlOf(services, source) : null,
    }),
    queueUrl: t.field({
      type: 'URL',
      description: 'The named address `/q/<project>/<source>`; null while the source verifies nobody.',
      nullable: true,
      resolve: async (source, _args, context) =>
        verifies(source) ? queueUrlOf(context.services, (await ownProject(context)).name, source.name) : null,
    }),
    eventsUrl: t.field({
      type: 'URL',
      description: 'Where CloudEvents are published with a key that has PUBLISH; null for the built-in source.',
      nullable: true,
      resolve: (source, _args, { services }) => (source.isSystem ? null : eventsUrlOf(services, source.name)),
    }),
    isPaused: t.exposeBoolean('isPaused', {
      description: 'Whether requests are answered as if the source were unknown.',
    }),
    isSystem: t.exposeBoolean('isSystem', {
      description:
        'Whether it is the built-in source of operational events, such as a disabled endpoint: nobody can send to it, and only its retention can be changed.',
    }),
    verification: t.field({
      type: Verification,
      description: 'How senders prove who they are; null when the token in the address is all.',
      nullable: true,
      resolve: (source) => (verifies(source) ? source : null),
    }),
    allowedMethods: t.expose('allowedMethods', {
      type: [HttpMethod],
      description: 'The methods that are accepted; others get 405. None for the built-in source.',
    }),
    allowedNetworks: t.exposeStringList('allowedNetworks', {
      description: 'Addresses and CIDR networks that may send, at most 100; empty when any may.',
    }),
    requiresJson: t.exposeBoolean('requiresJson', { description: 'Whether a body that is not JSON is refused.' }),
    mapping: t.field({
      type: EventMapping,
      description: "Where an event's id, type and subject are found.",
      resolve: ({ mapping }) => mapping ?? { id: null, type: null, subject: null },
    }),
    duplicateWindowMs: t.exposeInt('duplicateWindowMs', {
      description: "How long an event's id keeps a second message out, in ms.",
    }),
    maxBodyBytes: t.exposeInt('maxBodyBytes', { description: 'The largest body that is accepted, in bytes.' }),
    rateLimit: t.expose('rateLimit', {
      type: RateLimitType,
      description: 'How many requests are accepted; null when unlimited.',
      nullable: true,
    }),
    retention: t.expose('retention', {
      type: RetentionType,
      description: "How long messages are kept; null when the project's rule holds.",
      nullable: true,
    }),
    acceptedResponse: t.field({
      type: HttpResponse,
      description:
        "What an accepted request is answered with; null for what the preset's provider asks for, or 202 and a JSON receipt.",
      nullable: true,
      resolve: ({ acceptedResponse }) => (acceptedResponse ? answerOf(shownResponse(acceptedResponse)) : null),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the source was created.' }),
    firstSequence: t.field({
      type: 'SafeInt',
      description: 'The sequence of the earliest message that is kept, or the one to come; 1 in a new source.',
      resolve: async (source, _args, context) => (await headOf(context, source.id)).firstSequence,
    }),
    lastSequence: t.field({
      type: 'SafeInt',
      description:
        'The sequence of the latest message; 0 before the first. There are no holes: the log holds `lastSequence - firstSequence + 1`.',
      resolve: async (source, _args, context) => (await headOf(context, source.id)).lastSequence,
    }),
  }),
})

function answerOf({ status, headers, body }: AcceptedResponse) {
  return { status, headers, body: Buffer.from(body), isTruncated: false, announcedBytes: null }
}

const headById = contextLoader<SourceId, LogHead>(async ({ services }, ids) => {
  const heads = await services.messages.heads(ids)
  return new Map(heads.map((head) => [head.sourceId, head]))
})

/** Where the log of an existing source begins and ends; an empty log for one that was deleted meanwhile. */
export async function headOf(context: Context, sourceId: SourceId): Promise<LogHead> {
  const head = await headById(context, sourceId)
  return head ?? { sourceId, logEpoch: '', firstSequence: 1, lastSequence: 0 }
}

const sourceById = contextLoader<SourceId, Source>(async ({ services, viewer }, ids) => {
  const sources = await services.sources.byIds(viewer, ids)
  return new Map(sources.map((source) => [source.id, source]))
})

/** @returns null when it is unknown, another project's, or not for this key. */
export async function loadSource(context: Context, id: string): Promise<Source | null> {
  return isId('src', id) && seesSource(context.viewer, id) ? await sourceById(context, id) : null
}

/** The sources of a list that limits something, those left out that were deleted or are not for this key. */
export async function loadSources(context: Context, ids: readonly SourceId[] | null): Promise<Source[] | null> {
  if (ids === null) return null
  const sources = await Promise.all(ids.map((id) => loadSource(context, id)))
  return sources.filter((source) => source !== null)
}

addNodeKind('src', { typename: 'Source', scope: 'read', load: loadSource })

const SourceConnection = builder.connectionObject({
  type: SourceNode,
  name: 'SourceConnection',
  description: 'A page of sources, by name.',
  fields: (t) => ({
    totalCount: t.int({ description: 'How many there are in all pages.', resolve: totalCountOf }),
  }),
})

const SourceBy = builder.inputType('SourceBy', {
  description: 'Names one source.',
  isOneOf: true,
  fields: (t) => ({ id: t.id({ description: 'By id.' }), name: t.string({ description: 'By name.' }) }),
})

builder.queryField('source', (t) =>
  t.field({
    type: SourceNode,
    description: 'A source.',
    nullable: true,
    args: { by: t.arg({ type: SourceBy, required: true, description: 'Which one.' }) },
    resolve: (_root, { by }, context) =>
      'id' in by && by.id ? loadSource(context, by.id) : context.services.sources.byName(context.viewer, by.name ?? ''),
  }),
)

const sourceList = pagedList('sources', (text): text is string => text !== '')

builder.queryField('sources', (t) =>
  t.field({
    type: SourceConnection,
    description: 'All sources that the key may use, by name.',
    args: pageArguments(t.arg),
    resolve: async (_root, args, context) => {
      const { sources } = context.services
      const page = await sources.page(context.viewer, sourceList.read(context, args))
      const connection = sourceList.connection(context, args, { ...page, keyOf: (source) => source.name })
      return { ...connection, countAll: () => sources.count(context.viewer) }
    },
  }),
)
