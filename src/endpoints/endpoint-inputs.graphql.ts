import { builder } from '../graphql/builder.ts'
import { HeaderInput } from '../graphql/header.ts'
import { HttpMethod } from '../graphql/http-method.ts'
import { MessageFilterInput } from '../messages/message-filter.graphql.ts'
import { RateLimitInput } from '../projects/limits.graphql.ts'
import {
  EndpointAuthenticationInput,
  PayloadFormatEnum,
  RetryPolicyInput,
  SigningSchemeEnum,
} from './endpoint-types.graphql.ts'

export const CreateEndpointInput = builder.inputType('CreateEndpointInput', {
  description: 'A new endpoint.',
  fields: (t) => ({
    url: t.field({
      type: 'URL',
      required: true,
      description: 'Where deliveries go; private and reserved addresses are refused unless the operator allows them.',
    }),
    description: t.string({ description: 'What it is; at most 500 characters.' }),
    sourceIds: t.idList({
      description:
        'The sources whose messages it gets, at most 100; left out: all of the project, also later ones, but for the built-in one.',
    }),
    secret: t.string({
      description: 'The signing secret in the form that the scheme asks for; left out: generated.',
    }),
    labels: t.stringList({
      required: true,
      defaultValue: [],
      description: 'Words to find it by, at most 10, of 1 to 64 characters.',
    }),
    method: t.field({
      type: HttpMethod,
      required: true,
      defaultValue: 'POST',
      description: 'POST, PUT or PATCH.',
    }),
    filter: t.field({
      type: MessageFilterInput,
      description:
        'Which messages it gets, at most 16,384 characters as JSON, and 4,000,000 bytes with those of all endpoints; left out: all.',
    }),
    payloadFormat: t.field({
      type: PayloadFormatEnum,
      required: true,
      defaultValue: 'exact',
      description: 'The form in which messages are sent.',
    }),
    headers: t.field({
      type: [HeaderInput],
      required: true,
      defaultValue: [],
      description:
        "Header fields to add, at most 50 and 16,384 characters, each name once; stored encrypted. Refused are those of HTTP itself and those that Hookline sets: Accept-Encoding, Content-Encoding, Content-Type, User-Agent, `ce-*`, `hookline-*`, `webhook-*`, `x-webhook-*`, and the authentication's.",
    }),
    authentication: t.field({
      type: EndpointAuthenticationInput,
      description: 'How to prove who we are; left out: not at all.',
    }),
    signing: t.field({
      type: SigningSchemeEnum,
      required: true,
      defaultValue: 'standard-webhooks',
      description: 'The form of the signature.',
    }),
    retryPolicy: t.field({
      type: RetryPolicyInput,
      description: 'When a failed attempt is repeated; left out: the default policy.',
    }),
    timeoutMs: t.int({
      required: true,
      defaultValue: 15_000,
      description: 'How long one attempt may take; 1,000 to 60,000 ms.',
    }),
    rateLimit: t.field({ type: RateLimitInput, description: 'How fast attempts are made; left out: unlimited.' }),
    maxConcurrency: t.int({ description: 'How many attempts may run at once; 1 to 1,000; left out: up to 16.' }),
    isOrdered: t.boolean({
      required: true,
      defaultValue: false,
      description: 'Whether the deliveries of one source go one at a time, by sequence.',
    }),
    disableAfterHours: t.int({
      defaultValue: 120,
      description: 'After how many hours of failing it is disabled, 1 to 720; null: never.',
    }),
  }),
})

export const UpdateEndpointInput = builder.inputType('UpdateEndpointInput', {
  description:
    'Changes an endpoint. Fields left out stay as they are; what is under way ends as it began. Signing changes by `rotateSecret`.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The endpoint to change.' }),
    url: t.field({ type: 'URL', description: 'As in `CreateEndpointInput`.' }),
    description: t.string({ description: 'As in `CreateEndpointInput`; null is none.' }),
    sourceIds: t.idList({ description: 'As in `CreateEndpointInput`; null is all.' }),
    labels: t.stringList({ description: 'As in `CreateEndpointInput`.' }),
    method: t.field({ type: HttpMethod, description: 'As in `CreateEndpointInput`.' }),
    filter: t.field({
      type: MessageFilterInput,
      description: 'As in `CreateEndpointInput`, as a whole; null is all.',
    }),
    payloadFormat: t.field({ type: PayloadFormatEnum, description: 'As in `CreateEndpointInput`.' }),
    headers: t.field({ type: [HeaderInput], description: 'As in `CreateEndpointInput`, as a whole.' }),
    authentication: t.field({
      type: EndpointAuthenticationInput,
      description: 'As in `CreateEndpointInput`, as a whole; null is none.',
    }),
    retryPolicy: t.field({
      type: RetryPolicyInput,
      description: 'As in `CreateEndpointInput`, as a whole; null is the default.',
    }),
    timeoutMs: t.int({ description: 'As in `CreateEndpointInput`.' }),
    rateLimit: t.field({ type: RateLimitInput, description: 'As in `CreateEndpointInput`; null is unlimited.' }),
    maxConcurrency: t.int({ description: 'As in `CreateEndpointInput`; null is up to 16.' }),
    isOrdered: t.boolean({ description: 'As in `CreateEndpointInput`.' }),
    disableAfterHours: t.int({ description: 'As in `CreateEndpointInput`; null is never.' }),
  }),
})
