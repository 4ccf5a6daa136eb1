import { bodiesTooLarge } from '../graphql/answer-budget.ts'
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
    description: 'Its deliveries, one per matching endpoint and one for each replay, in the order of creation.',
    authScopes: { scope: 'read' },
    args: pageArguments(t.arg),
    resolve: async (message, args, context) => {
      const place = messageDeliveryList.read(context, args)
      const page = await deliveriesOfMessage(context, { parent: message.id, ...place })
      return messageDeliveryList.connection(context, args, { ...page, keyOf: ({ id }) => id })
    },
  }),
)

/** Answers of 64 KiB each at most, and how large they are is known only when they are read: 32 MiB. */
const attemptsPerRead = 512

const attemptsOfDelivery = pageLoader<DeliveryId, AttemptId, Attempt>(async ({ services, budget }, pages, first) => {
  const places = pages.map(({ parent, after }) => ({ deliveryId: parent, after }))
  const placesPerRead = Math.max(1, Math.floor(attemptsPerRead / (first + 1)))
  const found: Attempt[] = []
  for (let start = 0; start < places.length; start += placesPerRead) {
    const some = places.slice(start, start + placesPerRead)
    const attempts = await budget.read(responseBytesOf, async (leftBytes) => {
      if (leftBytes === 0) throw bodiesTooLarge()
      return [...(await services.deliveries.attemptsOf(some, first)).values()].flat()
    })
    found.push(...attempts)
  }
  return Map.groupBy(found, (attempt) => attempt.deliveryId)
})

function responseBytesOf({ response }: Attempt): number {
  return response?.body.length ?? 0
}

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
