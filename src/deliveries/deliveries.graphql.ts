import { seesSource, type Viewer } from '../auth/viewer.ts'
import { EndpointNode, loadEndpoint } from '../endpoints/endpoints.graphql.ts'
import { builder } from '../graphql/builder.ts'
import { pageArguments, pagedList } from '../graphql/connection.ts'
import type { Context } from '../graphql/context.ts'
import { contextLoader } from '../graphql/context-loader.ts'
import { ListOrder } from '../graphql/list-order.ts'
import { addNodeKind } from '../graphql/node.ts'
import { type DeliveryId, type EndpointId, isId } from '../kernel/ids.ts'
import { loadMessage, MessageNode } from '../messages/messages.graphql.ts'
import type { Delivery, DeliveryFilter, DeliveryStatus } from './delivery.ts'

const deliveryStatuses = {
  PENDING: { value: 'pending', description: 'Not yet attempted.' },
  RETRYING: { value: 'retrying', description: 'Attempted in vain, to be attempted again.' },
  DELIVERED: { value: 'delivered', description: 'Answered with 2xx.' },
  FAILED: { value: 'failed', description: 'Given up: a dead letter.' },
  CANCELED: { value: 'canceled', description: 'Called off.' },
  EXPIRED: { value: 'expired', description: 'Its message was dropped by retention before it was delivered.' },
} as const satisfies Record<Uppercase<DeliveryStatus>, { value: DeliveryStatus; description: string }>

const DeliveryStatusEnum = builder.enumType('DeliveryStatus', {
  description: 'How far a delivery is. DELIVERED, FAILED, CANCELED and EXPIRED are final.',
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
    endpointId: t.id({ description: 'Of this endpoint.' }),
    statuses: t.field({
      type: [DeliveryStatusEnum],
      description: 'In one of these states; FAILED are the dead letters.',
    }),
  }),
})

interface GivenFilter {
  readonly endpointId?: string | null | undefined
  readonly statuses?: readonly DeliveryStatus[] | null | undefined
}

/** What is asked for, within the sources that the key may use. */
export function filterFor(
  { sourceIds }: Pick<Viewer, 'sourceIds'>,
  given: GivenFilter | null | undefined,
): DeliveryFilter {
  return {
    // What is not the id of an endpoint matches no delivery.
    ...(given?.endpointId ? { endpointId: given.endpointId as EndpointId } : {}),
    ...(given?.statuses ? { statuses: given.statuses } : {}),
    ...(sourceIds === null ? {} : { sourceIds: [...sourceIds] }),
  }
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
      const scope = { projectId: viewer.projectId, filter: filterFor(viewer, filter), order }
      const page = await services.deliveries.page({ ...scope, ...list.read(context, args) })
      return list.connection(context, args, { ...page, keyOf: ({ id }) => id, lookedToKey: page.lookedToId })
    },
  }),
)
