import { builder } from '../graphql/builder.ts'
import {
  DeletePayload,
  type Done,
  LimitReachedError,
  NameTakenError,
  NotFoundError,
  outcomeType,
  resultOf,
  StateConflictError,
  ValidationError,
} from '../graphql/user-errors.ts'
import { createSource } from './create-source.ts'
import { deleteSource } from './delete-source.ts'
import { rotateSourceToken } from './rotate-source-token.ts'
import type { Source } from './source.entity.ts'
import { CreateSourceInput, UpdateSourceInput } from './source-inputs.graphql.ts'
import { SourceNode } from './sources.graphql.ts'
import { updateSource } from './update-source.ts'

const SourcePayload = builder.objectRef<Done<Source>>('SourcePayload').implement({
  description: 'A source as it now is.',
  fields: (t) => ({
    source: t.field({ type: SourceNode, description: 'The new or changed source.', resolve: ({ value }) => value }),
  }),
})

const CreateSourceResult = builder.unionType('CreateSourceResult', {
  description: 'Answer of `createSource`.',
  types: [SourcePayload, ValidationError, NameTakenError, LimitReachedError],
  resolveType: outcomeType('SourcePayload'),
})

builder.mutationField('createSource', (t) =>
  t.field({
    type: CreateSourceResult,
    description: 'Creates a source.',
    args: { input: t.arg({ type: CreateSourceInput, required: true, description: 'What it shall be.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await createSource(services, viewer, input), 'invalid', 'name-taken', 'limit-reached'),
  }),
)

const UpdateSourceResult = builder.unionType('UpdateSourceResult', {
  description: 'Answer of `updateSource`.',
  types: [SourcePayload, NotFoundError, ValidationError, NameTakenError, StateConflictError],
  resolveType: outcomeType('SourcePayload'),
})

builder.mutationField('updateSource', (t) =>
  t.field({
    type: UpdateSourceResult,
    description: 'Changes a source.',
    args: { input: t.arg({ type: UpdateSourceInput, required: true, description: 'What to change.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await updateSource(services, viewer, input), 'not-found', 'invalid', 'name-taken', 'state-conflict'),
  }),
)

const DeleteSourceInput = builder.inputType('DeleteSourceInput', {
  description: 'Names the source to delete.',
  fields: (t) => ({
    id: t.id({
      required: true,
      description: 'The source; its messages go with it, and its open deliveries are canceled.',
    }),
  }),
})

const DeleteSourceResult = builder.unionType('DeleteSourceResult', {
  description: 'Answer of `deleteSource`.',
  types: [DeletePayload, NotFoundError, StateConflictError],
  resolveType: outcomeType('DeletePayload'),
})

builder.mutationField('deleteSource', (t) =>
  t.field({
    type: DeleteSourceResult,
    description: 'Deletes a source and its messages.',
    args: { input: t.arg({ type: DeleteSourceInput, required: true, description: 'Which one.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await deleteSource(services, viewer, input), 'not-found', 'state-conflict'),
  }),
)

const RotateSourceTokenInput = builder.inputType('RotateSourceTokenInput', {
  description: 'Gives a source a new token in its address.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The source.' }),
    overlapMs: t.int({
      required: true,
      defaultValue: 0,
      description:
        'How long the old addresses still work: 0 to 604,800,000 ms (7 days). Of more than 5 the oldest end at once.',
    }),
  }),
})

const RotateSourceTokenResult = builder.unionType('RotateSourceTokenResult', {
  description: 'Answer of `rotateSourceToken`.',
  types: [SourcePayload, NotFoundError, ValidationError, StateConflictError],
  resolveType: outcomeType('SourcePayload'),
})

builder.mutationField('rotateSourceToken', (t) =>
  t.field({
    type: RotateSourceTokenResult,
    description: 'Gives a source a new secret address.',
    args: { input: t.arg({ type: RotateSourceTokenInput, required: true, description: 'Which one, and how.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await rotateSourceToken(services, viewer, input), 'not-found', 'invalid', 'state-conflict'),
  }),
)
