import { seesSource } from '../auth/viewer.ts'
import { abortable } from '../graphql/abortable.ts'
import { builder } from '../graphql/builder.ts'
import { pageArguments, pagedList } from '../graphql/connection.ts'
import type { Context } from '../graphql/context.ts'
import { contextLoader } from '../graphql/context-loader.ts'
import { addNodeKind } from '../graphql/node.ts'
import { pageLoader } from '../graphql/page-loader.ts'
import { requestError } from '../graphql/request-error.ts'
import { isId, type RefusalId, type SourceId } from '../kernel/ids.ts'
import type { Source } from '../sources/index.ts'
import { loadSource, SourceNode } from '../sources/sources.graphql.ts'
import type { Refusal, RefusalReason } from './refusal.ts'
import { watchRefusals } from './watch-refusals.ts'

const refusalReasons = {
  METHOD_NOT_ALLOWED: { description: 'The source does not accept the method (405).' },
  ADDRESS_NOT_ALLOWED: { description: "The sender's address is not on the list (403)." },
  RATE_LIMITED: { description: 'Too many requests (429).' },
  BODY_TOO_LARGE: { description: 'The body is over the limit (413).' },
  FORMAT_NOT_ACCEPTED: { description: 'The body has a form or coding that is not accepted (415).' },
  CREDENTIAL_MISSING: { description: 'The signature or credential is missing (401).' },
  CREDENTIAL_WRONG: { description: 'The signature or credential is wrong (401; 403 in a handshake).' },
  TIMESTAMP_OFF: { description: "The signature's time is missing, malformed or too far off (401)." },
  BODY_MALFORMED: {
    description: 'The body is not JSON where that is demanded, or is not a valid CloudEvent (400).',
  },
  SCHEMA_VIOLATED: { description: 'The event breaks the schema of its type (422).' },
  IDEMPOTENCY_KEY: { description: 'The idempotency key is malformed (400) or was used with another body (422).' },
} as const satisfies Record<RefusalReason, { description: string }>

const RefusalReasonEnum = builder.enumType('RefusalReason', {
  description: 'Why a request was turned away.',
  values: refusalReasons,
})

const RefusalNode = builder.objectRef<Refusal>('Refusal')

builder.node(RefusalNode, {
  description: 'A request that a source turned away, and why.',
  id: { resolve: (refusal) => refusal.id, description: '`ref_…`' },
  fields: (t) => ({
    source: t.field({
      type: SourceNode,
      description: 'The source that was meant.',
      resolve: (refusal, _args, context) => existingSource(context, refusal.sourceId),
    }),
    refusedAt: t.expose('refusedAt', { type: 'DateTime', description: 'When.' }),
    reason: t.expose('reason', { type: RefusalReasonEnum, description: 'Why, for programs.' }),
    detail: t.exposeString('detail', {
      description: 'Why, for people: what was expected and what came. At most 1,000 characters.',
    }),
    status: t.exposeInt('status', { description: 'The status that the sender got.' }),
    method: t.exposeString('method', { description: 'The method, as sent.' }),
    remoteAddress: t.exposeString('remoteAddress', {
      description: 'The address that it came from; empty when trusted proxies do not tell it.',
    }),
    bodyBytes: t.expose('bodyBytes', {
      type: 'SafeInt',
      description: 'The size of the body as far as it was read, in bytes.',
    }),
    signature: t.exposeString('signature', {
      description: 'The signature header with all but its form and first characters hidden; null when none was sent.',
      nullable: true,
    }),
    signedContentDigest: t.exposeString('signedContentDigest', {
      description: 'SHA-256, in hex, of the text that we would have signed; null where nothing is signed.',
      nullable: true,
    }),
    clockSkewMs: t.expose('clockSkewMs', {
      type: 'SafeInt',
      description: "The sender's clock less ours in ms, negative when it is behind; null when it told no time.",
      nullable: true,
    }),
  }),
})

async function existingSource(context: Context, id: string): Promise<Source> {
  const source = await loadSource(context, id)
  if (source === null) throw requestError('NOT_FOUND', `There is no source ${id} that the key may use.`)
  return source
}

const refusalById = contextLoader<RefusalId, Refusal>(async ({ services, viewer }, ids) => {
  const refusals = await services.refusals.byIds(viewer.projectId, ids)
  return new Map(refusals.map((refusal) => [refusal.id, refusal]))
})

/** @returns null when it is unknown, another project's, or of a source that is gone or not for this key. */
async function loadRefusal(context: Context, id: string): Promise<Refusal | null> {
  const refusal = isId('ref', id) ? await refusalById(context, id) : null
  if (refusal === null || !seesSource(context.viewer, refusal.sourceId)) return null
  return (await loadSource(context, refusal.sourceId)) === null ? null : refusal
}

addNodeKind('ref', { typename: 'Refusal', scope: 'read', load: loadRefusal })

const RefusalConnection = builder.connectionObject({
  type: RefusalNode,
  name: 'RefusalConnection',
  description: 'A page of refusals of a source, newest first.',
})

const refusalsOfSource = pageLoader<SourceId, RefusalId, Refusal>(({ services, viewer }, pages, first) => {
  const places = pages.map(({ parent, after }) => ({ sourceId: parent, after }))
  return services.refusals.ofSources(viewer.projectId, places, first)
})

const refusalList = pagedList('refusals', (text) => isId('ref', text))

builder.objectField(SourceNode, 'refusals', (t) =>
  t.field({
    type: RefusalConnection,
    description:
      'The latest requests that were turned away, newest first; the last 1,000 are kept, and fewer of a flood.',
    authScopes: { scope: 'read' },
    args: pageArguments(t.arg),
    resolve: async (source, args, context) => {
      const page = await refusalsOfSource(context, { parent: source.id, ...refusalList.read(context, args) })
      return refusalList.connection(context, args, { ...page, keyOf: ({ id }) => id })
    },
  }),
)

builder.subscriptionField('requestRefused', (t) =>
  t.field({
    type: RefusalNode,
    description:
      'The latest requests that a source turned away, at most 100 and the oldest of them first, then each as it happens; fewer of a flood.',
    authScopes: { scope: 'read' },
    args: { sourceId: t.arg.id({ required: true, description: 'The source.' }) },
    subscribe: async (_root, args, context) => {
      const { id: sourceId } = await existingSource(context, args.sourceId)
      const deps = { store: context.services.refusals, bus: context.services.bus }
      return abortable((signal) => watchRefusals(deps, { sourceId, signal }))
    },
    resolve: (refusal) => refusal,
  }),
)
