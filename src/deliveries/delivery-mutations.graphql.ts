import { builder } from '../graphql/builder.ts'
import { TimeRangeInput } from '../graphql/time-range.ts'
import {
  type Done,
  LimitReachedError,
  NotFoundError,
  outcomeType,
  resultOf,
  StateConflictError,
  ValidationError,
} from '../graphql/user-errors.ts'
import { MessageFilterInput } from '../messages/message-filter.graphql.ts'
import { OperationPayload } from '../operations/operations.graphql.ts'
import { cancelDelivery } from './cancel-delivery.ts'
import { DeliveryFilterInput, DeliveryNode } from './deliveries.graphql.ts'
import type { Delivery } from './delivery.ts'
import { replayMessages } from './replay-messages.ts'
import { retryDeliveries } from './retry-deliveries.ts'
import { retryDelivery } from './retry-delivery.ts'

const DeliveryPayload = builder.objectRef<Done<Delivery>>('DeliveryPayload').implement({
  description: 'A delivery as it now is.',
  fields: (t) => ({
    delivery: t.field({ type: DeliveryNode, description: 'The changed delivery.', resolve: ({ value }) => value }),
  }),
})

const RetryDeliveryInput = builder.inputType('RetryDeliveryInput', {
  description: 'Names the delivery to attempt now.',
  fields: (t) => ({
    id: t.id({
      required: true,
      description: 'The delivery: waiting, failed or canceled; it keeps its id and begins its retries afresh.',
    }),
  }),
})

const RetryDeliveryResult = builder.unionType('RetryDeliveryResult', {
  description:
    'Answer of `retryDelivery`. What was delivered is replayed instead, and what has lost its message or endpoint has nothing to send: STATE_CONFLICT.',
  types: [DeliveryPayload, NotFoundError, StateConflictError],
  resolveType: outcomeType('DeliveryPayload'),
})

builder.mutationField('retryDelivery', (t) =>
  t.field({
    type: RetryDeliveryResult,
    description:
      'Attempts a delivery now, or as soon as its endpoint is attempted at all. An attempt under way still decides as it would have.',
    args: { input: t.arg({ type: RetryDeliveryInput, required: true, description: 'Which one.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await retryDelivery(services, viewer, input), 'not-found', 'state-conflict'),
  }),
)

const CancelDeliveryInput = builder.inputType('CancelDeliveryInput', {
  description: 'Names the delivery to call off.',
  fields: (t) => ({
    id: t.id({
      required: true,
      description: 'The delivery; an attempt under way still ends, and what the receiver accepts is DELIVERED.',
    }),
  }),
})

const CancelDeliveryResult = builder.unionType('CancelDeliveryResult', {
  description: 'Answer of `cancelDelivery`.',
  types: [DeliveryPayload, NotFoundError, StateConflictError],
  resolveType: outcomeType('DeliveryPayload'),
})

builder.mutationField('cancelDelivery', (t) =>
  t.field({
    type: CancelDeliveryResult,
    description: 'Calls a delivery off that waits. Twice is no error.',
    args: { input: t.arg({ type: CancelDeliveryInput, required: true, description: 'Which one.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await cancelDelivery(services, viewer, input), 'not-found', 'state-conflict'),
  }),
)

const RetryDeliveriesInput = builder.inputType('RetryDeliveriesInput', {
  description: 'Attempts many deliveries again: recovery of an endpoint, re-drive of dead letters.',
  fields: (t) => ({
    filter: t.field({
      type: DeliveryFilterInput,
      required: true,
      description: 'Which ones; of these, those that have failed or were canceled before. Not empty.',
    }),
  }),
})

const RetryDeliveriesResult = builder.unionType('RetryDeliveriesResult', {
  description: 'Answer of `retryDeliveries`.',
  types: [OperationPayload, ValidationError, LimitReachedError],
  resolveType: outcomeType('OperationPayload'),
})

builder.mutationField('retryDeliveries', (t) =>
  t.field({
    type: RetryDeliveriesResult,
    description: 'Attempts many deliveries again, as a tracked operation; 10 may run at a time.',
    args: { input: t.arg({ type: RetryDeliveriesInput, required: true, description: 'Which ones.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await retryDeliveries(services, viewer, input), 'invalid', 'limit-reached'),
  }),
)

const ReplayMessagesInput = builder.inputType('ReplayMessagesInput', {
  description: `Creates new deliveries of stored messages for an endpoint; \`webhook-id\` is the message's, as ever. The endpoint's own
sources and filter still hold. What is received meanwhile comes to the endpoint by itself.`,
  fields: (t) => ({
    endpointId: t.id({ required: true, description: 'The endpoint to send to.' }),
    sourceId: t.id({ description: 'The source to read; left out: all that the endpoint listens to.' }),
    receivedAt: t.field({ type: TimeRangeInput, description: 'Received in this time.' }),
    fromSequence: t.field({ type: 'SafeInt', description: 'From this sequence on; needs `sourceId`.' }),
    toSequence: t.field({ type: 'SafeInt', description: 'Up to this sequence, included; needs `sourceId`.' }),
    filter: t.field({ type: MessageFilterInput, description: 'Only these; left out: all.' }),
    skipsExisting: t.boolean({
      required: true,
      defaultValue: false,
      description: 'Whether messages that already have a delivery for the endpoint are left out.',
    }),
  }),
})

const ReplayMessagesResult = builder.unionType('ReplayMessagesResult', {
  description: 'Answer of `replayMessages`.',
  types: [OperationPayload, NotFoundError, ValidationError, LimitReachedError],
  resolveType: outcomeType('OperationPayload'),
})

builder.mutationField('replayMessages', (t) =>
  t.field({
    type: ReplayMessagesResult,
    description: 'Sends stored messages to an endpoint, as a tracked operation; 10 may run at a time.',
    args: { input: t.arg({ type: ReplayMessagesInput, required: true, description: 'Which ones, and where to.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await replayMessages(services, viewer, input), 'not-found', 'invalid', 'limit-reached'),
  }),
)
