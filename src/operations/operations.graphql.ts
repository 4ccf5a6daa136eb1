import { ApiKeyNode, apiKeyById } from '../auth/auth.graphql.ts'
import { abortable } from '../graphql/abortable.ts'
import { builder } from '../graphql/builder.ts'
import { pageArguments, pagedList } from '../graphql/connection.ts'
import type { Context } from '../graphql/context.ts'
import { contextLoader } from '../graphql/context-loader.ts'
import { addNodeKind } from '../graphql/node.ts'
import { requestError } from '../graphql/request-error.ts'
import { type Done, NotFoundError, outcomeType, resultOf, StateConflictError } from '../graphql/user-errors.ts'
import { isId, type OperationId } from '../kernel/ids.ts'
import { cancelOperation } from './cancel-operation.ts'
import type { Operation, OperationKind, OperationStatus } from './operation.ts'
import { watchOperation } from './watch-operation.ts'

const operationKinds = {
  REPLAY_MESSAGES: { value: 'replay-messages', description: 'Creates deliveries for stored messages.' },
  RETRY_DELIVERIES: { value: 'retry-deliveries', description: 'Attempts deliveries again.' },
} as const satisfies Record<string, { value: OperationKind; description: string }>

const OperationKindEnum = builder.enumType('OperationKind', {
  description: 'What an operation does.',
  values: operationKinds,
})

const operationStatuses = {
  RUNNING: { value: 'running', description: 'Under way.' },
  COMPLETED: { value: 'completed', description: 'Done.' },
  FAILED: { value: 'failed', description: 'Given up; what is done stays done.' },
  CANCELED: { value: 'canceled', description: 'Called off; what is done stays done.' },
} as const satisfies Record<Uppercase<OperationStatus>, { value: OperationStatus; description: string }>

const OperationStatusEnum = builder.enumType('OperationStatus', {
  description: 'How far an operation is.',
  values: operationStatuses,
})

export const OperationNode = builder.objectRef<Operation>('Operation')

builder.node(OperationNode, {
  description:
    'Work on many objects that goes on after the answer, with its progress. It is kept for 30 days after its end.',
  id: { resolve: (operation) => operation.id, description: '`opr_…`' },
  fields: (t) => ({
    kind: t.expose('kind', { type: OperationKindEnum, description: 'What it does.' }),
    status: t.expose('status', { type: OperationStatusEnum, description: 'How far it is.' }),
    totalCount: t.expose('totalCount', {
      type: 'SafeInt',
      description: 'How many objects it is about: messages to look at, or deliveries; null until they are counted.',
      nullable: true,
    }),
    doneCount: t.expose('doneCount', { type: 'SafeInt', description: 'How many are done, with or without effect.' }),
    skippedCount: t.expose('skippedCount', {
      type: 'SafeInt',
      description:
        'How many of these were left as they were, such as messages that a filter hides, or deliveries that had succeeded meanwhile.',
    }),
    failureDetail: t.exposeString('failureDetail', {
      description: 'Why it failed, for people; null unless it did.',
      nullable: true,
    }),
    apiKey: t.field({
      type: ApiKeyNode,
      description: 'The key that asked for it.',
      resolve: async (operation, _args, context) => {
        const apiKey = await apiKeyById(context, operation.apiKeyId)
        if (apiKey === null) throw new Error(`key ${operation.apiKeyId} is not stored`)
        return apiKey
      },
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was asked for.' }),
    finishedAt: t.expose('finishedAt', {
      type: 'DateTime',
      description: 'When it ended; null while it runs.',
      nullable: true,
    }),
  }),
})

const operationById = contextLoader<OperationId, Operation>(async ({ services, viewer }, ids) => {
  const operations = await services.operations.byIds(viewer, ids)
  return new Map(operations.map((operation) => [operation.id, operation]))
})

/** @returns null when it is unknown, forgotten, another project's, or about sources that are not for this key. */
export async function loadOperation(context: Context, id: string): Promise<Operation | null> {
  return isId('opr', id) ? await operationById(context, id) : null
}

addNodeKind('opr', { typename: 'Operation', scope: 'read', load: loadOperation })

const OperationConnection = builder.connectionObject({
  type: OperationNode,
  name: 'OperationConnection',
  description: 'A page of operations, latest first.',
})

builder.queryField('operation', (t) =>
  t.field({
    type: OperationNode,
    description: 'An operation.',
    nullable: true,
    args: { id: t.arg.id({ required: true, description: 'Which one.' }) },
    resolve: (_root, { id }, context) => loadOperation(context, id),
  }),
)

const operationList = pagedList('operations', (text) => isId('opr', text))

builder.queryField('operations', (t) =>
  t.field({
    type: OperationConnection,
    description: 'All operations that run or ended in the last 30 days, latest first.',
    args: pageArguments(t.arg),
    resolve: async (_root, args, context) => {
      const page = await context.services.operations.page(context.viewer, operationList.read(context, args))
      return operationList.connection(context, args, { ...page, keyOf: ({ id }) => id })
    },
  }),
)

export const OperationPayload = builder.objectRef<Done<Operation>>('OperationPayload').implement({
  description: 'An operation as it now is.',
  fields: (t) => ({
    operation: t.field({
      type: OperationNode,
      description: 'The new or changed operation.',
      resolve: ({ value }) => value,
    }),
  }),
})

const CancelOperationInput = builder.inputType('CancelOperationInput', {
  description: 'Names the operation to call off.',
  fields: (t) => ({ id: t.id({ required: true, description: 'The operation.' }) }),
})

const CancelOperationResult = builder.unionType('CancelOperationResult', {
  description: 'Answer of `cancelOperation`.',
  types: [OperationPayload, NotFoundError, StateConflictError],
  resolveType: outcomeType('OperationPayload'),
})

builder.mutationField('cancelOperation', (t) =>
  t.field({
    type: CancelOperationResult,
    description: 'Calls an operation off; what is done stays done. Twice is no error.',
    args: { input: t.arg({ type: CancelOperationInput, required: true, description: 'Which one.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await cancelOperation(services, viewer, input), 'not-found', 'state-conflict'),
  }),
)

builder.subscriptionField('operationUpdated', (t) =>
  t.field({
    type: OperationNode,
    description: 'An operation as it is, then as it moves on, at most every second; completes when it ends.',
    authScopes: { scope: 'read' },
    args: { id: t.arg.id({ required: true, description: 'Which one.' }) },
    subscribe: async (_root, { id }, context) => {
      const operation = await loadOperation(context, id)
      if (operation === null) throw requestError('NOT_FOUND', `There is no operation ${id}.`)
      const { services, viewer: reach } = context
      const deps = { store: services.operations, bus: services.bus }
      return abortable((signal) => watchOperation(deps, { reach, operation, signal }))
    },
    resolve: (operation) => operation,
  }),
)
