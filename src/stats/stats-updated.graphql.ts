import { abortable } from '../graphql/abortable.ts'
import { builder } from '../graphql/builder.ts'
import { nodesOf } from './counted-nodes.graphql.ts'
import { StatsBucketType } from './stats.graphql.ts'

builder.subscriptionField('statsUpdated', (t) =>
  t.field({
    type: StatsBucketType,
    description:
      'The bucket of the running minute as it is, then when it changes, at most every second, and a last time when it is over. A bucket replaces the one of the same `from`.',
    authScopes: { scope: 'read' },
    args: {
      nodeId: t.arg.id({
        description:
          'A source, an endpoint or an event type; null is the whole project, for a key that is limited to some sources these.',
      }),
    },
    subscribe: async (_root, args, context) => {
      const nodeIds = await nodesOf(context, args.nodeId)
      const { services, viewer } = context
      return abortable((signal) => services.statsFeed.watch({ projectId: viewer.projectId, nodeIds, signal }))
    },
    resolve: (bucket) => bucket,
  }),
)
