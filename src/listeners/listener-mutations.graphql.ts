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
import type { Listener } from './index.ts'
import { ListenerNode } from './listeners.graphql.ts'

const ListenerPayload = builder.objectRef<Done<Listener>>('ListenerPayload').implement({
  description: 'A listener as it now is.',
  fields: (t) => ({
    listener: t.field({
      type: ListenerNode,
      description: 'The new or changed listener.',
      resolve: ({ value }) => value,
    }),
  }),
})

const CreateListenerInput = builder.inputType('CreateListenerInput', {
  description: 'A new listener of the key in use.',
  fields: (t) => ({
    sourceId: t.id({ required: true, description: 'The source to read.' }),
    name: t.string({ required: true, description: '1 to 100 characters, unique for the key; neither `.` nor `..`.' }),
    since: t.field({
      type: 'DateTime',
      description: 'Begin with the first message received at or after this time; left out: with the next to come.',
    }),
  }),
})

const CreateListenerResult = builder.unionType('CreateListenerResult', {
  description: 'Answer of `createListener`.',
  types: [ListenerPayload, NotFoundError, ValidationError, NameTakenError, LimitReachedError],
  resolveType: outcomeType('ListenerPayload'),
})

builder.mutationField('createListener', (t) =>
  t.field({
    type: CreateListenerResult,
    description: 'Creates a listener of the key in use; it may have 1,000. Scope: LISTEN.',
    skipTypeScopes: true,
    authScopes: { scope: 'listen' },
    args: { input: t.arg({ type: CreateListenerInput, required: true, description: 'What it shall be.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await services.listeners.create(viewer, input), 'not-found', 'invalid', 'name-taken', 'limit-reached'),
  }),
)

const AcknowledgeMessagesInput = builder.inputType('AcknowledgeMessagesInput', {
  description: "Tells how far a listener's messages are dealt with.",
  fields: (t) => ({
    listenerId: t.id({ required: true, description: 'The listener.' }),
    cursor: t.field({
      type: 'Cursor',
      required: true,
      description:
        'The place up to which all is done: one that was sent, at most the end of the log. An earlier place than the present one changes nothing.',
    }),
    lease: t.string({
      description:
        'The lease of the stream that sent it; left out by readers of `Listener.events`, who are refused while a stream holds it.',
    }),
  }),
})

const AcknowledgeMessagesResult = builder.unionType('AcknowledgeMessagesResult', {
  description: 'Answer of `acknowledgeMessages`. With a lease that no longer holds: LEASE_LOST.',
  types: [ListenerPayload, NotFoundError, ValidationError, StateConflictError],
  resolveType: outcomeType('ListenerPayload'),
})

builder.mutationField('acknowledgeMessages', (t) =>
  t.field({
    type: AcknowledgeMessagesResult,
    description:
      'Moves a listener of the key in use on; with `listener { events }` in the answer the next ones come in the same request. Scope: LISTEN.',
    skipTypeScopes: true,
    authScopes: { scope: 'listen' },
    args: { input: t.arg({ type: AcknowledgeMessagesInput, required: true, description: 'Which one, and how far.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await services.listeners.acknowledge(viewer, input), 'not-found', 'invalid', 'state-conflict'),
  }),
)

const DeleteListenerInput = builder.inputType('DeleteListenerInput', {
  description: 'Names the listener to delete.',
  fields: (t) => ({ id: t.id({ required: true, description: 'The listener; a stream that holds it ends.' }) }),
})

const DeleteListenerResult = builder.unionType('DeleteListenerResult', {
  description: 'Answer of `deleteListener`.',
  types: [DeletePayload, NotFoundError],
  resolveType: outcomeType('DeletePayload'),
})

builder.mutationField('deleteListener', (t) =>
  t.field({
    type: DeleteListenerResult,
    description: 'Deletes a listener of the key in use, or of any key with ADMIN. Scope: LISTEN.',
    skipTypeScopes: true,
    authScopes: { scope: 'listen' },
    args: { input: t.arg({ type: DeleteListenerInput, required: true, description: 'Which one.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await services.listeners.delete(viewer, input), 'not-found'),
  }),
)
