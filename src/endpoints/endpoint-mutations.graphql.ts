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
import { EndpointNode } from './endpoints.graphql.ts'
import { updateEndpoint } from './update-endpoint.ts'

const CreateEndpointInput = builder.inputType('CreateEndpointInput', {
  description: 'A new endpoint.',
  fields: (t) => ({
    url: t.field({
      type: 'URL',
      required: true,
      description: 'Where deliveries go; private and reserved addresses are refused unless the operator allows them.',
    }),
    description: t.string({ description: 'What it is; at most 500 characters.' }),
    sourceIds: t.idList({
      description: 'The sources whose messages it gets, at most 100; left out: all of the project, also later ones.',
    }),
    secret: t.string({
      description: 'The signing secret: `whsec_` and base64 of 24 to 64 bytes; left out: generated.',
    }),
  }),
})

const CreateEndpointPayload = builder.objectRef<Done<CreatedEndpoint>>('CreateEndpointPayload').implement({
  description: 'The new endpoint, with the one sight of its secret.',
  fields: (t) => ({
    endpoint: t.field({
      type: EndpointNode,
      description: 'The new endpoint.',
      resolve: ({ value }) => value.endpoint,
    }),
    secret: t.string({
      description: 'The signing secret in full. Shown only here.',
      resolve: ({ value }) => value.secret,
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

const UpdateEndpointInput = builder.inputType('UpdateEndpointInput', {
  description: 'Changes an endpoint. Fields left out stay as they are; what is under way ends as it began.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The endpoint to change.' }),
    url: t.field({ type: 'URL', description: 'As in `CreateEndpointInput`.' }),
    description: t.string({ description: 'As in `CreateEndpointInput`; null is none.' }),
    sourceIds: t.idList({ description: 'As in `CreateEndpointInput`; null is all.' }),
  }),
})

const EndpointPayload = builder.objectRef<Done<Endpoint>>('EndpointPayload').implement({
  description: 'An endpoint as it now is.',
  fields: (t) => ({
    endpoint: t.field({ type: EndpointNode, description: 'The changed endpoint.', resolve: ({ value }) => value }),
  }),
})

const UpdateEndpointResult = builder.unionType('UpdateEndpointResult', {
  description: 'Answer of `updateEndpoint`.',
  types: [EndpointPayload, NotFoundError, ValidationError],
  resolveType: outcomeType('EndpointPayload'),
})

builder.mutationField('updateEndpoint', (t) =>
  t.field({
    type: UpdateEndpointResult,
    description: 'Changes an endpoint.',
    args: { input: t.arg({ type: UpdateEndpointInput, required: true, description: 'What to change.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await updateEndpoint(services, viewer, input), 'not-found', 'invalid'),
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
