import { bodiesTooLarge } from '../graphql/answer-budget.ts'
import { builder } from '../graphql/builder.ts'
import { pageArguments, pagedList, totalCountOf } from '../graphql/connection.ts'
import type { Context } from '../graphql/context.ts'
import { contextLoader } from '../graphql/context-loader.ts'
import { addNodeKind } from '../graphql/node.ts'
import { type Done, LimitReachedError, outcomeType, resultOf, ValidationError } from '../graphql/user-errors.ts'
import { type EventTypeId, isId } from '../kernel/ids.ts'
import type { Page } from '../projects/page.ts'
import type { EventType } from './event-type.entity.ts'
import { isEventTypeName } from './event-type-input.ts'
import { type RegisteredEventTypes, registerEventTypes } from './register-event-types.ts'

const SchemaViolationPolicyEnum = builder.enumType('SchemaViolationPolicy', {
  description: "What happens to an event that breaks its type's schema.",
  values: {
    REFUSE: { description: 'It is turned away.' },
    FLAG: { description: 'It is accepted, and its message says so.' },
  } as const,
})

export const EventTypeNode = builder.objectRef<EventType>('EventType')

builder.node(EventTypeNode, {
  description: "An entry in the project's catalogue of what can happen. Events of other types are accepted too.",
  id: { resolve: (type) => type.id, description: '`typ_…`' },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Dotted, such as `order.created`; unique in the project.' }),
    description: t.exposeString('description', {
      description: 'What it means; null when nothing is said.',
      nullable: true,
    }),
    schema: t.field({
      type: 'JSON',
      description: 'The JSON Schema (2020-12) of the data; null when any will do.',
      nullable: true,
      resolve: ({ schema }, _args, { budget }) => {
        if (!schema) return null
        budget.write(schema.length)
        return JSON.parse(schema)
      },
    }),
    onViolation: t.field({
      type: SchemaViolationPolicyEnum,
      description: 'What happens to an event that breaks the schema.',
      resolve: (type) => type.onViolation,
    }),
    isDeprecated: t.exposeBoolean('isDeprecated', { description: 'Whether publishers are asked to leave it.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was registered.' }),
  }),
})

const eventTypeById = contextLoader<EventTypeId, EventType>(async (context, ids) => {
  const { services, viewer } = context
  const { rows } = await readTypes(context, async () => {
    return { rows: await services.eventTypes.byIds(viewer.projectId, ids), hasMore: false }
  })
  return new Map(rows.map((type) => [type.id, type]))
})

// Schemas may be large, and one document may ask for many pages of them.
async function readTypes({ budget }: Context, read: () => Promise<Page<EventType>>): Promise<Page<EventType>> {
  const [page] = await budget.read(schemaBytesOf, async (leftBytes) => {
    if (leftBytes === 0) throw bodiesTooLarge()
    return [await read()]
  })
  return page ?? { rows: [], hasMore: false }
}

function schemaBytesOf({ rows }: Page<EventType>): number {
  return rows.reduce((sum, { schema }) => sum + (schema?.length ?? 0), 0)
}

addNodeKind('typ', {
  typename: 'EventType',
  scope: 'read',
  load: async (context, id) => (isId('typ', id) ? await eventTypeById(context, id) : null),
})

const EventTypeConnection = builder.connectionObject({
  type: EventTypeNode,
  name: 'EventTypeConnection',
  description: 'A page of event types, by name.',
  fields: (t) => ({
    totalCount: t.int({ description: 'How many there are in all pages.', resolve: totalCountOf }),
  }),
})

const eventTypeList = pagedList('event-types', (text): text is string => isEventTypeName(text))

builder.queryField('eventTypes', (t) =>
  t.field({
    type: EventTypeConnection,
    description: 'The catalogue of event types, by name.',
    args: {
      prefix: t.arg.string({ description: 'Only names that begin so; null is all.' }),
      ...pageArguments(t.arg),
    },
    resolve: async (_root, args, context) => {
      const { eventTypes } = context.services
      const { projectId } = context.viewer
      const prefix = args.prefix ?? null
      const place = { prefix, ...eventTypeList.read(context, args) }
      const page = await readTypes(context, () => eventTypes.page(projectId, place))
      const connection = eventTypeList.connection(context, args, { ...page, keyOf: (type) => type.name })
      return { ...connection, countAll: () => eventTypes.count(projectId, prefix) }
    },
  }),
)

const EventTypeInput = builder.inputType('EventTypeInput', {
  description: 'One entry of the catalogue, as a whole.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'Dotted letters, digits and underscores; at most 128.' }),
    description: t.string({ description: 'What it means; at most 500 characters.' }),
    schema: t.field({
      type: 'JSON',
      description: `The JSON Schema (2020-12) of the data; at most 64 KiB. It stands alone: keywords of its own making, unknown formats
and references to elsewhere are refused.`,
    }),
    onViolation: t.field({
      type: SchemaViolationPolicyEnum,
      required: true,
      defaultValue: 'FLAG',
      description: 'What happens to an event that breaks the schema.',
    }),
    isDeprecated: t.boolean({
      required: true,
      defaultValue: false,
      description: 'Whether publishers are asked to leave it.',
    }),
  }),
})

const RegisterEventTypesInput = builder.inputType('RegisterEventTypesInput', {
  description: 'Registers types or brings known ones up to date, by name: all or none.',
  fields: (t) => ({
    eventTypes: t.field({ type: [EventTypeInput], required: true, description: '1 to 500.' }),
  }),
})

const RegisterEventTypesPayload = builder.objectRef<Done<RegisteredEventTypes>>('RegisterEventTypesPayload').implement({
  description: 'The types as they now are, in the order given.',
  fields: (t) => ({
    eventTypes: t.field({
      type: [EventTypeNode],
      description: 'One for each entry.',
      resolve: ({ value }) => value.eventTypes,
    }),
  }),
})

const RegisterEventTypesResult = builder.unionType('RegisterEventTypesResult', {
  description: 'Answer of `registerEventTypes`.',
  types: [RegisterEventTypesPayload, ValidationError, LimitReachedError],
  resolveType: outcomeType('RegisterEventTypesPayload'),
})

builder.mutationField('registerEventTypes', (t) =>
  t.field({
    type: RegisterEventTypesResult,
    description: 'Registers, changes and deprecates event types.',
    args: { input: t.arg({ type: RegisterEventTypesInput, required: true, description: 'The entries.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await registerEventTypes(services, viewer, input), 'invalid', 'limit-reached'),
  }),
)
