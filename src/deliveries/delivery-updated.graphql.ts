import { abortable } from '../graphql/abortable.ts'
import { builder } from '../graphql/builder.ts'
import { DeliveryFilterInput, DeliveryNode, filterArgument } from './deliveries.graphql.ts'
import { watchDeliveries } from './watch-deliveries.ts'

builder.subscriptionField('deliveryUpdated', (t) =>
  t.field({
    type: DeliveryNode,
    description: 'Deliveries as they are, latest first, then each that is created or changes.',
    authScopes: { scope: 'read' },
    args: { filter: t.arg({ type: DeliveryFilterInput, description: 'Only these; null is all.' }) },
    subscribe: (_root, args, { services, viewer }) => {
      const { latest, byIdsTogether } = services.deliveries
      const deps = { store: { latest, byIds: byIdsTogether }, bus: services.bus }
      const watched = { projectId: viewer.projectId, filter: filterArgument(viewer, args.filter) }
      return abortable((signal) => watchDeliveries(deps, { ...watched, signal }))
    },
    resolve: (delivery) => delivery,
  }),
)
