import { builder } from '../graphql/builder.ts'
import { pageArguments, pagedList, totalCountOf } from '../graphql/connection.ts'
import { contextLoader } from '../graphql/context-loader.ts'
import { addNodeKind } from '../graphql/node.ts'
import {
  type Done,
  LimitReachedError,
  NotFoundError,
  outcomeType,
  resultOf,
  ValidationError,
} from '../graphql/user-errors.ts'
import { type ApiKeyId, isId } from '../kernel/ids.ts'
import { ownProject, ProjectNode } from '../projects/projects.graphql.ts'
import { loadSources, SourceNode } from '../sources/sources.graphql.ts'
import type { ApiKey } from './api-key.entity.ts'
import { type CreatedApiKey, createApiKey } from './create-api-key.ts'
import { revokeApiKey } from './revoke-api-key.ts'
import { updateApiKey } from './update-api-key.ts'

const ApiKeyScope = builder.enumType('ApiKeyScope', {
  description: 'What a key may do. ADMIN includes all others; MANAGE includes READ.',
  values: {
    ADMIN: { value: 'admin', description: 'Keys.' },
    MANAGE: { value: 'manage', description: 'Sources and endpoints.' },
    PUBLISH: { value: 'publish', description: 'Reserved for publishing events; opens nothing yet.' },
    LISTEN: { value: 'listen', description: 'Read and stream messages, and own listeners.' },
    JOBS: { value: 'jobs', description: 'Reserved for HTTP jobs; opens nothing yet.' },
    READ: { value: 'read', description: 'See configuration and deliveries, but no secrets.' },
  } as const,
})

export const ApiKeyNode = builder.objectRef<ApiKey>('ApiKey')

builder.node(ApiKeyNode, {
  description: 'What a client authenticates with.',
  id: { resolve: (apiKey) => apiKey.id, description: '`key_…`' },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'What it is for, in the words of who created it.' }),
    project: t.field({
      type: ProjectNode,
      description: 'The project that it opens.',
      resolve: (_apiKey, _args, context) => ownProject(context),
    }),
    scopes: t.field({ type: [ApiKeyScope], description: 'What it may do.', resolve: (apiKey) => apiKey.scopes }),
    sources: t.field({
      type: [SourceNode],
      description: 'The sources that it is limited to, at most 100; null when it may use all of the project.',
      nullable: true,
      resolve: (apiKey, _args, context) => loadSources(context, apiKey.sourceIds ?? null),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was created.' }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      description: 'When it ends by itself; null when it does not.',
      nullable: true,
    }),
    revokedAt: t.expose('revokedAt', {
      type: 'DateTime',
      description: 'When it was revoked; null while it holds.',
      nullable: true,
    }),
  }),
})

const ApiKeyConnection = builder.connectionObject({
  type: ApiKeyNode,
  name: 'ApiKeyConnection',
  description: 'A page of API keys, latest first.',
  fields: (t) => ({
    totalCount: t.int({ description: 'How many there are in all pages.', resolve: totalCountOf }),
  }),
})

export const apiKeyById = contextLoader<ApiKeyId, ApiKey>(async ({ services, viewer }, ids) => {
  const apiKeys = await services.apiKeys.byIds(viewer.projectId, ids)
  return new Map(apiKeys.map((apiKey) => [apiKey.id, apiKey]))
})

addNodeKind('key', {
  typename: 'ApiKey',
  scope: 'admin',
  load: async (context, id) => (isId('key', id) ? await apiKeyById(context, id) : null),
})

builder.queryField('viewer', (t) =>
  t.field({
    type: ApiKeyNode,
    description: 'The key in use. Any scope.',
    skipTypeScopes: true,
    resolve: async (_root, _args, context) => {
      const apiKey = await apiKeyById(context, context.viewer.keyId)
      if (apiKey === null) throw new Error(`key ${context.viewer.keyId} is not stored`)
      return apiKey
    },
  }),
)

const apiKeyList = pagedList('api-keys', (text) => isId('key', text))

builder.queryField('apiKeys', (t) =>
  t.field({
    type: ApiKeyConnection,
    description: 'All keys, latest first, revoked ones included. Scope: ADMIN.',
    authScopes: { scope: 'admin' },
    args: pageArguments(t.arg),
    resolve: async (_root, args, context) => {
      const { apiKeys } = context.services
      const { projectId } = context.viewer
      const page = await apiKeys.page(projectId, apiKeyList.read(context, args))
      const connection = apiKeyList.connection(context, args, { ...page, keyOf: (apiKey) => apiKey.id })
      return { ...connection, countAll: () => apiKeys.count(projectId) }
    },
  }),
)

const CreateApiKeyInput = builder.inputType('CreateApiKeyInput', {
  description: 'What a new key may do.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'What it is for; 1 to 100 characters.' }),
    scopes: t.field({ type: [ApiKeyScope], required: true, description: 'What it may do; one or more.' }),
    sourceIds: t.idList({
      description: 'Sources to limit it to, at most 100; left out: all of the project, also later ones.',
    }),
    expiresAt: t.field({ type: 'DateTime', description: 'When it ends by itself; left out: never.' }),
  }),
})

const CreateApiKeyPayload = builder.objectRef<Done<CreatedApiKey>>('CreateApiKeyPayload').implement({
  description: 'The new key, with the one sight of its token.',
  fields: (t) => ({
    apiKey: t.field({ type: ApiKeyNode, description: 'The new key.', resolve: ({ value }) => value.apiKey }),
    token: t.string({
      description: 'The whole key as clients send it (`Authorization: Bearer …`). Shown only here.',
      resolve: ({ value }) => value.token,
    }),
  }),
})

const CreateApiKeyResult = builder.unionType('CreateApiKeyResult', {
  description: 'Answer of `createApiKey`.',
  types: [CreateApiKeyPayload, ValidationError, LimitReachedError],
  resolveType: outcomeType('CreateApiKeyPayload'),
})

builder.mutationField('createApiKey', (t) =>
  t.field({
    type: CreateApiKeyResult,
    description: 'Creates a key and shows its token once. Scope: ADMIN.',
    authScopes: { scope: 'admin' },
    args: { input: t.arg({ type: CreateApiKeyInput, required: true, description: 'What it may do.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await createApiKey(services, viewer, input), 'invalid', 'limit-reached'),
  }),
)

const ApiKeyPayload = builder.objectRef<Done<ApiKey>>('ApiKeyPayload').implement({
  description: 'A key as it now is.',
  fields: (t) => ({
    apiKey: t.field({ type: ApiKeyNode, description: 'The changed key.', resolve: ({ value }) => value }),
  }),
})

const UpdateApiKeyInput = builder.inputType('UpdateApiKeyInput', {
  description: 'Changes a key. Fields left out stay as they are.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The key to change.' }),
    name: t.string({ description: 'What it is for; 1 to 100 characters.' }),
    sourceIds: t.idList({
      description: 'Sources to limit it to, at most 100; null is all. Streams and listeners follow within a second.',
    }),
    expiresAt: t.field({ type: 'DateTime', description: 'When it ends by itself; null is never.' }),
  }),
})

const UpdateApiKeyResult = builder.unionType('UpdateApiKeyResult', {
  description: 'Answer of `updateApiKey`.',
  types: [ApiKeyPayload, NotFoundError, ValidationError],
  resolveType: outcomeType('ApiKeyPayload'),
})

builder.mutationField('updateApiKey', (t) =>
  t.field({
    type: UpdateApiKeyResult,
    description: "Changes a key's name, sources or end. Scope: ADMIN.",
    authScopes: { scope: 'admin' },
    args: { input: t.arg({ type: UpdateApiKeyInput, required: true, description: 'What to change.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await updateApiKey(services, viewer, input), 'not-found', 'invalid'),
  }),
)

const RevokeApiKeyInput = builder.inputType('RevokeApiKeyInput', {
  description: 'Names the key to revoke.',
  fields: (t) => ({ id: t.id({ required: true, description: 'The key.' }) }),
})

const RevokeApiKeyResult = builder.unionType('RevokeApiKeyResult', {
  description: 'Answer of `revokeApiKey`.',
  types: [ApiKeyPayload, NotFoundError],
  resolveType: outcomeType('ApiKeyPayload'),
})

builder.mutationField('revokeApiKey', (t) =>
  t.field({
    type: RevokeApiKeyResult,
    description: 'Ends a key for good; its sockets close within a second. Revoking twice is no error. Scope: ADMIN.',
    authScopes: { scope: 'admin' },
    args: { input: t.arg({ type: RevokeApiKeyInput, required: true, description: 'Which one.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await revokeApiKey(services, viewer, input), 'not-found'),
  }),
)
