import { seesSource, type Viewer } from '../auth/viewer.ts'
import { EndpointNode, loadEndpoint } from '../endpoints/endpoints.graphql.ts'
import { builder } from '../graphql/builder.ts'
import { pageArguments, pagedList } from '../graphql/connection.ts'
import type { Context } from '../graphql/context.ts'
import { contextLoader } from '../graphql/context-loader.ts'
import { ListOrder } from '../graphql/list-order.ts'
import { addNodeKind } from '../graphql/node.ts'
import { badUserInput } from '../graphql/request-error.ts'
import { TimeRangeInput } from '../graphql/time-range.ts'
import { type DeliveryId, isId } from '../kernel/ids.ts'
import { loadMessage, MessageNode } from '../messages/messages.graphql.ts'
import { loadOperation, OperationNode } from '../operations/operations.graphql.ts'
import type { Delivery, DeliveryFilter, DeliveryStatus } from './delivery.ts'
import { checkDeliveryFilter, filterFor, type GivenDeliveryFilter } from './delivery-filter.ts'

const deliveryStatuses = {
  PENDING: { value: 'pending', description: 'Not yet attempted.' },
  RETRYING: { value: 'retrying', description: 'Attempted in vain, to be attempted again.' },
  DELIVERED: { value: 'delivered', description: 'Answered with 2xx.' },
  FAILED: { value: 'failed', description: 'Given up: a dead letter.' },
  CANCELED: { value: 'canceled', description: 'Called off.' },
  EXPIRED: { value: 'expired', description: 'Its message was dropped by retention before it was delivered.' },
} as const satisfies Record<Uppercase<DeliveryStatus>, { value: DeliveryStatus; description: string }>

const DeliveryStatusEnum = builder.enumType('DeliveryStatus', {
  description: 'How far a delivery is. The last four are final; FAILED and CANCELED until someone asks for a retry.',
  values: deliveryStatuses,
})

export const DeliveryNode = builder.objectRef<Delivery>('Delivery')

builder.node(DeliveryNode, {
  description: 'One message for one endpoint. It is kept for as long as its message, and seven days more.',
  id: {
    resolve: (delivery) => delivery.id,
    description:
      "`dlv_…`; sent as `hookline-delivery-id`, the same on every attempt. `webhook-id` is the message's id.",
  },
  fields: (t) => ({
    message: t.field({
      type: MessageNode,
      description: 'The message; null when it is no longer kept.',
      nullable: true,
      resolve: (delivery, _args, context) => loadMessage(context, delivery.messageId),
    }),
    endpoint: t.field({
      type: EndpointNode,
      description: 'The endpoint; null when it was deleted, or is not for this key.',
      nullable: true,
      resolve: (delivery, _args, context) => loadEndpoint(context, delivery.endpointId),
    }),
    status: t.expose('status', { type: DeliveryStatusEnum, description: 'How far it is.' }),
    operation: t.field({
      type: OperationNode,
      description:
        'The replay that it was created by; null when it was created on receipt, or the replay is forgotten or not for this key.',
      nullable: true,
      resolve: ({ operationId }, _args, context) => (operationId === null ? null : loadOperation(context, operationId)),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was created.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When its status last changed.' }),
    nextAttemptAt: t.expose('nextAttemptAt', {
      type: 'DateTime',
      description: 'When it is attempted next; null when it is finished or waits for the endpoint.',
      nullable: true,
    }),
    attemptCount: t.exposeInt('attemptCount', { description: 'How many attempts were made.' }),
  }),
})

export const DeliveryConnection = builder.connectionObject({
  type: DeliveryNode,
  name: 'DeliveryConnection',
  description: 'A page of deliveries, by time of creation.',
})

export const DeliveryFilterInput = builder.inputType('DeliveryFilter', {
  description: 'Which deliveries are meant: all that is given must hold.',
  fields: (t) => ({
    ids: t.idList({ description: 'These; 1 to 100.' }),
    endpointId: t.id({ description: 'Of this endpoint.' }),
    sourceId: t.id({ description: "Of this source's messages." }),
    statuses: t.field({
      type: [DeliveryStatusEnum],
      description: 'In one of these states; FAILED are the dead letters.',
    }),
    createdAt: t.field({ type: TimeRangeInput, description: 'Created in this time.' }),
  }),
})

/**
 * Reads a `filter` argument, within the sources that the key may use.
 *
 * @throws GraphQLError BAD_USER_INPUT that names the place of the first mistake.
 */
export function filterArgument(viewer: Viewer, given: GivenDeliveryFilter | null | undefined): DeliveryFilter {
  const [first] = checkDeliveryFilter(given ?? {}, ['filter'])
  if (first !== undefined) throw badUserInput(`\`${first.path.join('.')}\`: ${first.message}`)
  return filterFor(viewer, given ?? {})
}

const deliveryById = contextLoader<DeliveryId, Delivery>(async ({ services, viewer }, ids) => {
  const deliveries = await services.deliveries.byIds(viewer.projectId, ids)
  return new Map(deliveries.map((delivery) => [delivery.id, delivery]))
})

/** @returns null when it is unknown, another project's, or of a source that the key may not use. */
async function loadDelivery(context: Context, id: string): Promise<Delivery | null> {
  const delivery = isId('dlv', id) ? await deliveryById(context, id) : null
  return delivery !== null && seesSource(context.viewer, delivery.sourceId) ? delivery : null
}

addNodeKind('dlv', { typename: 'Delivery', scope: 'read', load: loadDelivery })

builder.queryField('delivery', (t) =>
  t.field({
    type: DeliveryNode,
    description: 'A delivery.',
    nullable: true,
    args: { id: t.arg.id({ required: true, description: 'Which one.' }) },
    resolve: (_root, { id }, context) => loadDelivery(context, id),
  }),
)

const deliveryLists = {
  'newest-first': pagedList('deliveries:newest', (text) => isId('dlv', text)),
  'oldest-first': pagedList('deliveries:oldest', (text) => isId('dlv', text)),
}

builder.queryField('deliveries', (t) =>
  t.field({
    type: DeliveryConnection,
    description: 'Deliveries by time of creation.',
    args: {
      filter: t.arg({ type: DeliveryFilterInput, description: 'Only these; null is all.' }),
      order: t.arg({
        type: ListOrder,
        required: true,
        defaultValue: 'newest-first',
        description: 'Which end to begin at.',
      }),
      ...pageArguments(t.arg),
    },
    resolve: async (_root, { filter, order, ...args }, context) => {
      const { services, viewer } = context
      const list = deliveryLists[order]
      const scope = { projectId: viewer.projectId, filter: filterArgument(viewer, filter), order }
      const page = await services.deliveries.page({ ...scope, ...list.read(context, args) })
      return list.connection(context, args, { ...page, keyOf: ({ id }) => id, lookedToKey: page.lookedToId })
    },
  }),
)
