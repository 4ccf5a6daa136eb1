import { builder } from '../graphql/builder.ts'
import type { ValueSelector } from '../kernel/value-selector.ts'
import type { Mapping } from '../signatures/index.ts'

const pointerDescription = 'A JSON Pointer (RFC 6901) into the body.'

const ValueSelectorType = builder.objectRef<ValueSelector>('ValueSelector').implement({
  description: "A value's place: exactly one field is not null.",
  fields: (t) => ({
    header: t.string({
      description: "A header's name.",
      nullable: true,
      resolve: (selector) => ('header' in selector ? selector.header : null),
    }),
    pointer: t.string({
      description: pointerDescription,
      nullable: true,
      resolve: (selector) => ('pointer' in selector ? selector.pointer : null),
    }),
    constant: t.string({
      description: 'A fixed value.',
      nullable: true,
      resolve: (selector) => ('constant' in selector ? selector.constant : null),
    }),
  }),
})

export const EventMapping = builder.objectRef<Mapping>('EventMapping').implement({
  description:
    "Where an event's attributes are found in its request. Where nothing is said, the preset's or CloudEvents' own places hold.",
  fields: (t) => ({
    id: t.expose('id', {
      type: ValueSelectorType,
      description: 'Where the id is, which also keeps duplicates out; null when nothing is said.',
      nullable: true,
    }),
    type: t.expose('type', {
      type: ValueSelectorType,
      description: 'Where the type is; null when nothing is said.',
      nullable: true,
    }),
    subject: t.expose('subject', {
      type: ValueSelectorType,
      description: 'Where the subject is; null when nothing is said.',
      nullable: true,
    }),
  }),
})

const ValueSelectorInput = builder.inputType('ValueSelectorInput', {
  description: "A value's place.",
  isOneOf: true,
  fields: (t) => ({
    header: t.string({ description: "A header's name." }),
    pointer: t.string({ description: 'A JSON Pointer (RFC 6901) into the body; at most 512 characters.' }),
    constant: t.string({ description: 'A fixed value, 1 to 256 characters; an id has none.' }),
  }),
})

export const EventMappingInput = builder.inputType('EventMappingInput', {
  description: "Where an event's attributes are found in its request.",
  fields: (t) => ({
    id: t.field({ type: ValueSelectorInput, description: 'Where the id is, which also keeps duplicates out.' }),
    type: t.field({ type: ValueSelectorInput, description: 'Where the type is.' }),
    subject: t.field({ type: ValueSelectorInput, description: 'Where the subject is.' }),
  }),
})
