import { builder } from '../graphql/builder.ts'
import {
  DeletePayload,
  type Done,
  NameTakenError,
  NotFoundError,
  outcomeType,
  resultOf,
  ValidationError,
} from '../graphql/user-errors.ts'
import { createSource } from './create-source.ts'
import { deleteSource } from './delete-source.ts'
import { rotateSourceToken } from './rotate-source-token.ts'
import type { Source } from './source.entity.ts'
import { SourceNode, VerificationPreset } from './sources.graphql.ts'
import { updateSource } from './update-source.ts'

const SourcePayload = builder.objectRef<Done<Source>>('SourcePayload').implement({
  description: 'A source as it now is.',
  fields: (t) => ({
    source: t.field({ type: SourceNode, description: 'The new or changed source.', resolve: ({ value }) => value }),
  }),
})

const PresetVerificationInput = builder.inputType('PresetVerificationInput', {
  description: 'Verification as a known provider does it.',
  fields: (t) => ({
    preset: t.field({ type: VerificationPreset, required: true, description: 'The provider.' }),
    secret: t.string({
      required: true,
      description: 'The secret, as it was given to the provider.',
    }),
  }),
})

const VerificationInput = builder.inputType('VerificationInput', {
  description: 'How senders shall prove who they are: exactly one way. Secrets are write-only.',
  isOneOf: true,
  fields: (t) => ({
    preset: t.field({ type: PresetVerificationInput, description: 'As a known provider does it.' }),
  }),
})

const CreateSourceInput = builder.inputType('CreateSourceInput', {
  description: 'A new source.',
  fields: (t) => ({
    name: t.string({
      required: true,
      description: 'Lower-case letters, digits and hyphens; 1 to 63; unique in the project.',
    }),
    verification: t.field({
      type: VerificationInput,
      description: 'How senders prove who they are; left out: by the token in the address alone.',
    }),
    maxBodyBytes: t.int({
      required: true,
      defaultValue: 1_048_576,
      description: 'The largest body that is accepted; 1 to 26,214,400 bytes.',
    }),
  }),
})

const CreateSourceResult = builder.unionType('CreateSourceResult', {
  description: 'Answer of `createSource`.',
  types: [SourcePayload, ValidationError, NameTakenError],
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

const UpdateSourceInput = builder.inputType('UpdateSourceInput', {
  description: 'Changes a source. Fields left out stay as they are; all processes follow within a second.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The source to change.' }),
    name: t.string({ description: 'As in `CreateSourceInput`.' }),
    verification: t.field({
      type: VerificationInput,
      description: 'As in `CreateSourceInput`, replacing the secret; null removes verification.',
    }),
    maxBodyBytes: t.int({ description: 'As in `CreateSourceInput`.' }),
  }),
})

const UpdateSourceResult = builder.unionType('UpdateSourceResult', {
  description: 'Answer of `updateSource`.',
  types: [SourcePayload, NotFoundError, ValidationError, NameTakenError],
  resolveType: outcomeType('SourcePayload'),
})

builder.mutationField('updateSource', (t) =>
  t.field({
    type: UpdateSourceResult,
    description: 'Changes a source.',
    args: { input: t.arg({ type: UpdateSourceInput, required: true, description: 'What to change.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await updateSource(services, viewer, input), 'not-found', 'invalid', 'name-taken'),
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
  types: [DeletePayload, NotFoundError],
  resolveType: outcomeType('DeletePayload'),
})

builder.mutationField('deleteSource', (t) =>
  t.field({
    type: DeleteSourceResult,
    description: 'Deletes a source and its messages.',
    args: { input: t.arg({ type: DeleteSourceInput, required: true, description: 'Which one.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await deleteSource(services, viewer, input), 'not-found'),
  }),
)

const RotateSourceTokenInput = builder.inputType('RotateSourceTokenInput', {
  description: 'Gives a source a new token in its address.',
  fields: (t) => ({ id: t.id({ required: true, description: 'The source.' }) }),
})

const RotateSourceTokenResult = builder.unionType('RotateSourceTokenResult', {
  description: 'Answer of `rotateSourceToken`.',
  types: [SourcePayload, NotFoundError, ValidationError],
  resolveType: outcomeType('SourcePayload'),
})

builder.mutationField('rotateSourceToken', (t) =>
  t.field({
    type: RotateSourceTokenResult,
    description: 'Gives a source a new secret address.',
    args: { input: t.arg({ type: RotateSourceTokenInput, required: true, description: 'Which one.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await rotateSourceToken(services, viewer, input), 'not-found'),
  }),
)
