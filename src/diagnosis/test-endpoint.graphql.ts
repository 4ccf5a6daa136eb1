import { AttemptNode } from '../deliveries/attempts.graphql.ts'
import type { Attempt } from '../deliveries/delivery.ts'
import { builder } from '../graphql/builder.ts'
import {
  type Done,
  LimitReachedError,
  NotFoundError,
  outcomeType,
  resultOf,
  ValidationError,
} from '../graphql/user-errors.ts'
import { EventInput } from '../ingress/publish-events.graphql.ts'
import { testEndpoint } from './test-endpoint.ts'

const TestEndpointInput = builder.inputType('TestEndpointInput', {
  description: 'A marked event to send to an endpoint now.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The endpoint, active or not.' }),
    event: t.field({
      type: EventInput,
      description:
        'What to send; left out: a `hookline.test` event. Its `source` is `/sources/hookline-test` unless given.',
    }),
  }),
})

const TestEndpointPayload = builder.objectRef<Done<Attempt>>('TestEndpointPayload').implement({
  description: "What came of the test, within the endpoint's time-out.",
  fields: (t) => ({
    attempt: t.field({
      type: AttemptNode,
      description: 'What was sent and what came back; it is not kept, and counts in no statistics.',
      resolve: ({ value }) => value,
    }),
  }),
})

const TestEndpointResult = builder.unionType('TestEndpointResult', {
  description: 'Answer of `testEndpoint`. Tests and examinations of a project run 10 at a time: else LIMIT_REACHED.',
  types: [TestEndpointPayload, NotFoundError, ValidationError, LimitReachedError],
  resolveType: outcomeType('TestEndpointPayload'),
})

builder.mutationField('testEndpoint', (t) =>
  t.field({
    type: TestEndpointResult,
    description:
      'Sends an event to an endpoint now, marked by the header `hookline-test: true`, and waits for the answer. It is made and signed like a delivery, but is none.',
    args: { input: t.arg({ type: TestEndpointInput, required: true, description: 'Where, and what.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await testEndpoint(services, viewer, input), 'not-found', 'invalid', 'limit-reached'),
  }),
)
