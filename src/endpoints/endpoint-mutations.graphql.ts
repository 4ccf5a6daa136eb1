import { builder } from '../graphql/builder.ts'
import {
  DeletePayload,
  type Done,
  LimitReachedError,
  NotFoundError,
  outcomeType,
  resultOf,
  ValidationError,
} from '../graphql/user-errors.ts'
import { type CreatedEndpoint, createEndpoint } from './create-endpoint.ts'
import { deleteEndpoint } from './delete-endpoint.ts'
import type { Endpoint } from './endpoint.entity.ts'
import { CreateEndpointInput, UpdateEndpointInput } from './endpoint-inputs.graphql.ts'
import { EndpointNode } from './endpoints.graphql.ts'
import { updateEndpoint } from './update-endpoint.ts'

const CreateEndpointPayload = builder.objectRef<Done<CreatedEndpoint>>('CreateEndpointPayload').implement({
  description: 'The new endpoint, with the one sight of its secret.',
  fields: (t) => ({
    endpoint: t.field({
      type: EndpointNode,
      description: 'The new endpoint.',
      resolve: ({ value }) => value.endpoint,
    }),
    secret: t.string({
      description: 'The signing secret in full. Shown only here and by `rotateSecret`.',
      resolve: ({ value }) => value.secret,
    }),
    publicKey: t.string({
      description: 'What receivers verify by, `whpk_…`; null where that is the secret itself.',
      nullable: true,
      resolve: ({ value }) => value.publicKey,
    }),
  }),
})

const CreateEndpointResult = builder.unionType('CreateEndpointResult', {
  description: 'Answer of `createEndpoint`.',
  types: [CreateEndpointPayload, ValidationError, LimitReachedError],
  resolveType: outcomeType('CreateEndpointPayload'),
})

builder.mutationField('createEndpoint', (t) =>
  t.field({
    type: CreateEndpointResult,
    description: 'Creates an endpoint and shows its signing secret once.',
    args: { input: t.arg({ type: CreateEndpointInput, required: true, description: 'What it shall be.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await createEndpoint(services, viewer, input), 'invalid', 'limit-reached'),
  }),
)

export const EndpointPayload = builder.objectRef<Done<Endpoint>>('EndpointPayload').implement({
  description: 'An endpoint as it now is.',
  fields: (t) => ({
    endpoint: t.field({ type: EndpointNode, description: 'The changed endpoint.', resolve: ({ value }) => value }),
  }),
})

const UpdateEndpointResult = builder.unionType('UpdateEndpointResult', {
  description: 'Answer of `updateEndpoint`.',
  types: [EndpointPayload, NotFoundError, ValidationError, LimitReachedError],
  resolveType: outcomeType('EndpointPayload'),
})

builder.mutationField('updateEndpoint', (t) =>
  t.field({
    type: UpdateEndpointResult,
    description: 'Changes an endpoint.',
    args: { input: t.arg({ type: UpdateEndpointInput, required: true, description: 'What to change.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await updateEndpoint(services, viewer, input), 'not-found', 'invalid', 'limit-reached'),
  }),
)

const DeleteEndpointInput = builder.inputType('DeleteEndpointInput', {
  description: 'Names the endpoint to delete.',
  fields: (t) => ({
    id: t.id({
      required: true,
      description: 'The endpoint; its open deliveries are canceled, the finished ones stay.',
    }),
  }),
})

const DeleteEndpointResult = builder.unionType('DeleteEndpointResult', {
  description: 'Answer of `deleteEndpoint`.',
  types: [DeletePayload, NotFoundError],
  resolveType: outcomeType('DeletePayload'),
})

builder.mutationField('deleteEndpoint', (t) =>
  t.field({
    type: DeleteEndpointResult,
    description: 'Deletes an endpoint.',
    args: { input: t.arg({ type: DeleteEndpointInput, required: true, description: 'Which one.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await deleteEndpoint(services, viewer, input), 'not-found'),
  }),
)
