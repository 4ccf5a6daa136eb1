import { builder } from '../graphql/builder.ts'
import { pageArguments, pagedList, totalCountOf } from '../graphql/connection.ts'
import type { Context } from '../graphql/context.ts'
import { contextLoader } from '../graphql/context-loader.ts'
import { addNodeKind } from '../graphql/node.ts'
import { type EndpointId, isId } from '../kernel/ids.ts'
import { loadSources, SourceNode } from '../sources/sources.graphql.ts'
import type { Endpoint } from './endpoint.entity.ts'

export const EndpointNode = builder.objectRef<Endpoint>('Endpoint')

builder.node(EndpointNode, {
  description: 'An outbound HTTP destination: where it is, and whose messages it gets.',
  id: { resolve: (endpoint) => endpoint.id, description: '`ept_…`' },
  fields: (t) => ({
    url: t.expose('url', { type: 'URL', description: 'Where deliveries go.' }),
    description: t.exposeString('description', {
      description: 'What it is, in the words of who created it; null when nothing is said.',
      nullable: true,
    }),
    sources: t.field({
      type: [SourceNode],
      description: 'The sources whose messages it gets, at most 100; null when all of the project, also later ones.',
      nullable: true,
      resolve: (endpoint, _args, context) => loadSources(context, endpoint.sourceIds ?? null),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was created.' }),
  }),
})

const endpointById = contextLoader<EndpointId, Endpoint>(async ({ services, viewer }, ids) => {
  const endpoints = await services.endpoints.byIds(viewer, ids)
  return new Map(endpoints.map((endpoint) => [endpoint.id, endpoint]))
})

/** @returns null when it is unknown, another project's, or not for this key. */
export async function loadEndpoint(context: Context, id: string): Promise<Endpoint | null> {
  return isId('ept', id) ? await endpointById(context, id) : null
}

addNodeKind('ept', { typename: 'Endpoint', scope: 'read', load: loadEndpoint })

const EndpointConnection = builder.connectionObject({
  type: EndpointNode,
  name: 'EndpointConnection',
  description: 'A page of endpoints, latest first.',
  fields: (t) => ({
    totalCount: t.int({ description: 'How many there are in all pages.', resolve: totalCountOf }),
  }),
})

builder.queryField('endpoint', (t) =>
  t.field({
    type: EndpointNode,
    description: 'An endpoint.',
    nullable: true,
    args: { id: t.arg.id({ required: true, description: 'Which one.' }) },
    resolve: (_root, { id }, context) => loadEndpoint(context, id),
  }),
)

const endpointList = pagedList('endpoints', (text) => isId('ept', text))

builder.queryField('endpoints', (t) =>
  t.field({
    type: EndpointConnection,
    description: 'Endpoints, latest first.',
    args: pageArguments(t.arg),
    resolve: async (_root, args, context) => {
      const { endpoints } = context.services
      const page = await endpoints.page(context.viewer, endpointList.read(context, args))
      const connection = endpointList.connection(context, args, { ...page, keyOf: (endpoint) => endpoint.id })
      return { ...connection, countAll: () => endpoints.count(context.viewer) }
    },
  }),
)
