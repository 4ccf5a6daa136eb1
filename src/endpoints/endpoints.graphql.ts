import { builder } from '../graphql/builder.ts'
import type { Context } from '../graphql/context.ts'
import { contextLoader } from '../graphql/context-loader.ts'
import { Header, toHeaders } from '../graphql/header.ts'
import { HttpMethod } from '../graphql/http-method.ts'
import { addNodeKind } from '../graphql/node.ts'
import { type EndpointId, isId } from '../kernel/ids.ts'
import { RateLimitType } from '../projects/limits.graphql.ts'
import type { Secret } from '../secrets/secret.entity.ts'
import { activeSecrets } from '../secrets/secret-store.ts'
import { SecretType } from '../sources/secrets.graphql.ts'
import { loadSources, SourceNode } from '../sources/sources.graphql.ts'
import type { Endpoint } from './endpoint.entity.ts'
import { shownHeaders } from './endpoint-headers.ts'
import {
  EndpointAuthentication,
  PayloadFormatEnum,
  RetryPolicyType,
  SigningSchemeEnum,
} from './endpoint-types.graphql.ts'
import { policyOf } from './retry-policy.ts'
import { readFilterText } from './stored-filter.ts'

export const EndpointNode = builder.objectRef<Endpoint>('Endpoint')

builder.node(EndpointNode, {
  description: 'An outbound HTTP destination: what it gets, in which form, signed how, and tried how often.',
  id: { resolve: (endpoint) => endpoint.id, description: '`ept_…`' },
  fields: (t) => ({
    url: t.expose('url', { type: 'URL', description: 'Where deliveries go.' }),
    description: t.exposeString('description', {
      description: 'What it is, in the words of who created it; null when nothing is said.',
      nullable: true,
    }),
    labels: t.exposeStringList('labels', { description: 'Words to find it by, at most 10.' }),
    method: t.expose('method', { type: HttpMethod, description: 'The method that is used: POST, PUT or PATCH.' }),
    sources: t.field({
      type: [SourceNode],
      description:
        'The sources whose messages it gets, at most 100; null when all of the project, also later ones, but for the built-in one.',
      nullable: true,
      resolve: (endpoint, _args, context) => loadSources(context, endpoint.sourceIds ?? null),
    }),
    filter: t.field({
      type: 'JSON',
      description: 'Which of their messages it gets, in the shape of `MessageFilter`; null when all.',
      nullable: true,
      resolve: ({ filter }) => (filter ? readFilterText(filter) : null),
    }),
    payloadFormat: t.expose('payloadFormat', {
      type: PayloadFormatEnum,
      description: 'The form in which messages are sent.',
    }),
    headers: t.field({
      type: [Header],
      description:
        'Header fields that are added, at most 50. Redacted are values that were given as secret, and those whose names tell of one: with `auth`, `cookie`, `credential`, `key`, `passw`, `secret`, `session`, `signature` or `token` in them.',
      resolve: (endpoint, _args, { services }) => toHeaders(shownHeaders(services.sealer, endpoint)),
    }),
    authentication: t.field({
      type: EndpointAuthentication,
      description: 'How we prove who we are to its server, beside the signature; null when not at all.',
      nullable: true,
      resolve: (endpoint) =>
        endpoint.authentication ? { ...endpoint, authentication: endpoint.authentication } : null,
    }),
    signing: t.expose('signing', { type: SigningSchemeEnum, description: 'The form of the signature.' }),
    secrets: t.field({
      type: [SecretType],
      description: 'The secrets that sign, newest first; at most 5. Scope: MANAGE.',
      authScopes: { scope: 'manage' },
      resolve: async ({ id }, _args, context) => [...((await secretsOf(context, id)) ?? [])],
    }),
    retryPolicy: t.field({
      type: RetryPolicyType,
      description: 'When a failed attempt is repeated.',
      resolve: (endpoint) => policyOf(endpoint),
    }),
    timeoutMs: t.exposeInt('timeoutMs', { description: 'How long one attempt may take, in ms.' }),
    rateLimit: t.expose('rateLimit', {
      type: RateLimitType,
      description: 'How fast attempts are made; null when unlimited.',
      nullable: true,
    }),
    maxConcurrency: t.exposeInt('maxConcurrency', {
      description: 'How many attempts may run at once, over all processes; null when none is set: up to 16.',
      nullable: true,
    }),
    isOrdered: t.exposeBoolean('isOrdered', {
      description: 'Whether the deliveries of one source go one at a time, by sequence.',
    }),
    disableAfterHours: t.exposeInt('disableAfterHours', {
      description: 'After how many hours of failing it is disabled; null when never.',
      nullable: true,
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was created.' }),
  }),
})

const secretsOf = contextLoader<EndpointId, readonly Secret[]>(async ({ services }, ids) => {
  const secrets = await activeSecrets(services.orm, ids)
  return new Map(ids.map((id) => [id, secrets.get(id) ?? []]))
})

const endpointById = contextLoader<EndpointId, Endpoint>(async ({ services, viewer }, ids) => {
  const endpoints = await services.endpoints.byIds(viewer, ids)
  return new Map(endpoints.map((endpoint) => [endpoint.id, endpoint]))
})

/** @returns null when it is unknown, another project's, or not for this key. */
export async function loadEndpoint(context: Context, id: string): Promise<Endpoint | null> {
  return isId('ept', id) ? await endpointById(context, id) : null
}

addNodeKind('ept', { typename: 'Endpoint', scope: 'read', load: loadEndpoint })

builder.queryField('endpoint', (t) =>
  t.field({
    type: EndpointNode,
    description: 'An endpoint.',
    nullable: true,
    args: { id: t.arg.id({ required: true, description: 'Which one.' }) },
    resolve: (_root, { id }, context) => loadEndpoint(context, id),
  }),
)
