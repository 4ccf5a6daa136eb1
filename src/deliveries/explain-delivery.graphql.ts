import { sqlOfKysely } from '../db/sql.ts'
import { EndpointNode, loadEndpoint } from '../endpoints/endpoints.graphql.ts'
import type { Endpoint } from '../endpoints/index.ts'
import { builder } from '../graphql/builder.ts'
import type { Context } from '../graphql/context.ts'
import { isId } from '../kernel/ids.ts'
import type { StoredMessage } from '../messages/index.ts'
import { loadMessage, MessageNode } from '../messages/messages.graphql.ts'
import { DeliveryNode } from './deliveries.graphql.ts'
import { type DeliveryExplanation, type DeliveryVerdict, explainDelivery } from './explain-delivery.ts'
import type { ExplainedTest } from './trace-matching.ts'

const verdicts = {
  DELIVERED: { value: 'delivered', description: 'It was delivered.' },
  FAILED: { value: 'failed', description: 'All attempts failed.' },
  CANCELED: { value: 'canceled', description: 'It was called off.' },
  EXPIRED: { value: 'expired', description: 'The message was dropped by retention before it was delivered.' },
  HELD_BACK: {
    value: 'held-back',
    description: 'It waits, because the endpoint is paused, disabled, throttled or held back by the breaker.',
  },
  RETRYING: { value: 'retrying', description: 'It failed and will be attempted again.' },
  PENDING: { value: 'pending', description: 'It is about to be attempted.' },
  NOT_YET_MATCHED: { value: 'not-yet-matched', description: 'It has not been matched with endpoints yet.' },
  OTHER_SOURCES: { value: 'other-sources', description: 'The endpoint does not listen to the source.' },
  FILTERED_OUT: { value: 'filtered-out', description: 'The filter does not let it through.' },
  FILTER_FAILED: { value: 'filter-failed', description: 'The filter could not be evaluated on it.' },
  ENDPOINT_IS_NEWER: {
    value: 'endpoint-is-newer',
    description: 'The endpoint was created later; `replayMessages` sends it.',
  },
  ENDPOINT_CHANGED: {
    value: 'endpoint-changed',
    description: 'It would match now, but did not when it was received: the endpoint was changed since.',
  },
} as const satisfies Record<string, { value: DeliveryVerdict; description: string }>

const DeliveryVerdictEnum = builder.enumType('DeliveryVerdict', {
  description:
    'Why a message was, or was not, delivered to an endpoint: the first of these that applies to the latest delivery.',
  values: verdicts,
})

const FilterStep = builder.objectRef<ExplainedTest>('FilterStep').implement({
  description: 'One test that a message was put to.',
  fields: (t) => ({
    at: t.exposeString('at', {
      description:
        'Where the test stands: `fanOut`, `sourceIds`, `createdAt`, or in the filter, such as `filter.all.1.exact`.',
    }),
    test: t.exposeString('test', {
      description: 'The test in words, such as `subject = order/7`, at most 200 characters.',
    }),
    found: t.exposeString('found', {
      description: 'What the message has there, at most 200 characters; null when nothing. Scope: LISTEN.',
      nullable: true,
      authScopes: { scope: 'listen' },
    }),
    isMatch: t.exposeBoolean('isMatch', { description: 'Whether it passed.' }),
  }),
})

interface Explained extends DeliveryExplanation {
  readonly message: StoredMessage | null
  readonly endpoint: Endpoint
}

const DeliveryExplanationType = builder.objectRef<Explained>('DeliveryExplanation').implement({
  description: 'Why a message was, or was not, delivered to an endpoint, as both now are.',
  fields: (t) => ({
    message: t.expose('message', {
      type: MessageNode,
      description: 'The message; null when it is no longer kept. Scope: LISTEN.',
      nullable: true,
    }),
    endpoint: t.expose('endpoint', {
      type: EndpointNode,
      description: 'The endpoint; its `health` shows the breaker.',
    }),
    verdict: t.expose('verdict', { type: DeliveryVerdictEnum, description: 'The answer, for programs.' }),
    summary: t.exposeString('summary', { description: 'The answer, for people, with what to do.' }),
    trace: t.field({
      type: [FilterStep],
      description:
        'The tests that the message is put to, in order, up to the one that decides; at most 103. With a delivery those of source and filter, as they are now.',
      resolve: ({ trace }) => [...trace],
    }),
    delivery: t.expose('delivery', {
      type: DeliveryNode,
      description: 'The latest delivery, with its attempts and next retry; null when there is none.',
      nullable: true,
    }),
  }),
})

async function explain(context: Context, endpoint: Endpoint, messageId: string): Promise<Explained | null> {
  if (!isId('msg', messageId)) return null
  const message = await loadMessage(context, messageId)
  // Each explanation may read the whole body.
  context.budget.write(endpoint.filter ? (message?.body.length ?? 0) : 0)
  const sql = sqlOfKysely(context.services.orm.em.fork().getKysely())
  const explanation = await explainDelivery(sql, context.viewer, { endpointId: endpoint.id, messageId, message })
  return explanation === null ? null : { ...explanation, message, endpoint }
}

builder.queryField('deliveryExplanation', (t) =>
  t.field({
    type: DeliveryExplanationType,
    description:
      'Why a message was, or was not, delivered to an endpoint; null when either is unknown, or the message is no longer kept and had no delivery.',
    nullable: true,
    args: {
      messageId: t.arg.id({ required: true, description: 'The message.' }),
      endpointId: t.arg.id({ required: true, description: 'The endpoint.' }),
    },
    resolve: async (_root, { messageId, endpointId }, context) => {
      const endpoint = await loadEndpoint(context, endpointId)
      return endpoint === null ? null : await explain(context, endpoint, messageId)
    },
  }),
)
