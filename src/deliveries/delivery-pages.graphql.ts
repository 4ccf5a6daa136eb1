import { builder } from '../graphql/builder.ts'
import { pageArguments, pagedList } from '../graphql/connection.ts'
import { pageLoader } from '../graphql/page-loader.ts'
import { type AttemptId, type DeliveryId, isId, type MessageId } from '../kernel/ids.ts'
import { MessageNode } from '../messages/messages.graphql.ts'
import { AttemptConnection } from './attempts.graphql.ts'
import { DeliveryConnection, DeliveryNode } from './deliveries.graphql.ts'
import type { Attempt, Delivery } from './delivery.ts'

const deliveriesOfMessage = pageLoader<MessageId, DeliveryId, Delivery>(({ services, viewer }, pages, first) => {
  const places = pages.map(({ parent, after }) => ({ messageId: parent, after }))
  return services.deliveries.ofMessages(viewer.projectId, places, first)
})

const messageDeliveryList = pagedList('message-deliveries', (text) => isId('dlv', text))

builder.objectField(MessageNode, 'deliveries', (t) =>
  t.field({
    type: DeliveryConnection,
    description: 'Its deliveries, one per matching endpoint, in the order of creation.',
    authScopes: { scope: 'read' },
    args: pageArguments(t.arg),
    resolve: async (message, args, context) => {
      const place = messageDeliveryList.read(context, args)
      const page = await deliveriesOfMessage(context, { parent: message.id, ...place })
      return messageDeliveryList.connection(context, args, { ...page, keyOf: ({ id }) => id })
    },
  }),
)

const attemptsOfDelivery = pageLoader<DeliveryId, AttemptId, Attempt>(({ services }, pages, first) => {
  const places = pages.map(({ parent, after }) => ({ deliveryId: parent, after }))
  return services.deliveries.attemptsOf(places, first)
})

const attemptList = pagedList('attempts', (text) => isId('att', text))

builder.objectField(DeliveryNode, 'attempts', (t) =>
  t.field({
    type: AttemptConnection,
    description: 'The attempts, first to last.',
    args: pageArguments(t.arg),
    resolve: async (delivery, args, context) => {
      const page = await attemptsOfDelivery(context, { parent: delivery.id, ...attemptList.read(context, args) })
      return attemptList.connection(context, args, { ...page, keyOf: ({ id }) => id })
    },
  }),
)
