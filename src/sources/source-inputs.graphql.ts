import { builder } from '../graphql/builder.ts'
import { HttpMethod } from '../graphql/http-method.ts'
import { HttpResponseInput } from '../graphql/http-response.ts'
import { RateLimitInput, RetentionInput } from '../projects/limits.graphql.ts'
import { EventMappingInput } from './event-mapping.graphql.ts'
import { VerificationInput } from './source-verification.graphql.ts'

export const CreateSourceInput = builder.inputType('CreateSourceInput', {
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
    allowedMethods: t.field({
      type: [HttpMethod],
      required: true,
      defaultValue: ['GET', 'POST'],
      description: 'The methods that are accepted; at least one.',
    }),
    allowedNetworks: t.stringList({
      required: true,
      defaultValue: [],
      description: 'Addresses and CIDR networks that may send, at most 100; empty: any.',
    }),
    requiresJson: t.boolean({
      required: true,
      defaultValue: false,
      description: 'Whether a body that is not JSON is refused.',
    }),
    mapping: t.field({
      type: EventMappingInput,
      description: "Where an event's id, type and subject are found; left out: as preset and CloudEvents say.",
    }),
    duplicateWindowMs: t.int({
      required: true,
      defaultValue: 86_400_000,
      description: "How long an event's id keeps a second message out; 0 to 604,800,000 ms.",
    }),
    rateLimit: t.field({
      type: RateLimitInput,
      description: 'How many requests are accepted; left out: unlimited.',
    }),
    retention: t.field({
      type: RetentionInput,
      description: 'How long messages are kept; left out: as the project says.',
    }),
    acceptedResponse: t.field({
      type: HttpResponseInput,
      description:
        "What an accepted request is answered with; left out: what the preset's provider asks for, or 202 and a JSON receipt.",
    }),
  }),
})

const asCreated = 'As in `CreateSourceInput`.'

export const UpdateSourceInput = builder.inputType('UpdateSourceInput', {
  description: 'Changes a source. Fields left out stay as they are; all processes follow within a second.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The source to change.' }),
    name: t.string({ description: 'As in `CreateSourceInput`; the named address changes with it.' }),
    verification: t.field({
      type: VerificationInput,
      description: 'As in `CreateSourceInput`, replacing scheme and secrets; null removes verification.',
    }),
    maxBodyBytes: t.int({ description: asCreated }),
    isPaused: t.boolean({ description: 'Whether requests are answered as if the source were unknown.' }),
    allowedMethods: t.field({ type: [HttpMethod], description: asCreated }),
    allowedNetworks: t.stringList({ description: asCreated }),
    requiresJson: t.boolean({ description: asCreated }),
    mapping: t.field({
      type: EventMappingInput,
      description: 'As in `CreateSourceInput`, as a whole; null is the default.',
    }),
    duplicateWindowMs: t.int({ description: asCreated }),
    rateLimit: t.field({ type: RateLimitInput, description: 'As in `CreateSourceInput`; null is unlimited.' }),
    retention: t.field({
      type: RetentionInput,
      description: "As in `CreateSourceInput`, as a whole; null is the project's rule.",
    }),
    acceptedResponse: t.field({
      type: HttpResponseInput,
      description: 'As in `CreateSourceInput`, as a whole; null is the default.',
    }),
  }),
})
