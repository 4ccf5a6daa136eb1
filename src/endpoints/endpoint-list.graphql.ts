import { builder } from '../graphql/builder.ts'
import { pageArguments, pagedList, totalCountOf } from '../graphql/connection.ts'
import { isId } from '../kernel/ids.ts'
import { EndpointStatusEnum } from './endpoint-status.graphql.ts'
import { EndpointNode } from './endpoints.graphql.ts'

const EndpointConnection = builder.connectionObject({
  type: EndpointNode,
  name: 'EndpointConnection',
  description: 'A page of endpoints, latest first.',
  fields: (t) => ({
    totalCount: t.int({ description: 'How many there are in all pages.', resolve: totalCountOf }),
  }),
})

const EndpointFilter = builder.inputType('EndpointFilter', {
  description: 'Which endpoints are meant: all that is given must hold.',
  fields: (t) => ({
    statuses: t.field({ type: [EndpointStatusEnum], description: 'In one of these states.' }),
    label: t.string({ description: 'With this label.' }),
    sourceId: t.id({ description: 'Getting messages of this source.' }),
  }),
})

const endpointList = pagedList('endpoints', (text) => isId('ept', text))

builder.queryField('endpoints', (t) =>
  t.field({
    type: EndpointConnection,
    description: 'Endpoints, latest first.',
    args: {
      filter: t.arg({ type: EndpointFilter, description: 'Which of them; left out: all.' }),
      ...pageArguments(t.arg),
    },
    resolve: async (_root, args, context) => {
      const { endpoints } = context.services
      const filter = args.filter ?? {}
      const page = await endpoints.page(context.viewer, { ...endpointList.read(context, args), filter })
      const connection = endpointList.connection(context, args, { ...page, keyOf: (endpoint) => endpoint.id })
      return { ...connection, countAll: () => endpoints.count(context.viewer, filter) }
    },
  }),
)
