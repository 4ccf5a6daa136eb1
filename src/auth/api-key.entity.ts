import { defineEntity, type InferEntity, p } from '@mikro-orm/postgresql'
import type { ApiKeyId, SourceId } from '../kernel/ids.ts'
import { ofProject } from '../projects/project.entity.ts'
import type { Scope } from './scopes.ts'

/** What a client authenticates with. Keys are kept after their end, so that what they did can be told. */
export const ApiKeyEntity = defineEntity({
  name: 'ApiKey',
  tableName: 'api_keys',
  indexes: [{ properties: ['projectId', 'id'] }],
  properties: {
    id: p.text().$type<ApiKeyId>().primary(),
    projectId: ofProject,
    name: p.text(),
    /** SHA-256 of the token's secret part. */
    secretHash: p.blob().hidden(),
    scopes: p.array().columnType('text[]').$type<Scope[]>(),
    /** The sources that the key is limited to; null when it may use all of the project. */
    sourceIds: p.array().columnType('text[]').$type<SourceId[]>().nullable(),
    createdAt: p.datetime().columnType('timestamptz'),
    expiresAt: p.datetime().columnType('timestamptz').nullable(),
    revokedAt: p.datetime().columnType('timestamptz').nullable(),
  },
})

export type ApiKey = InferEntity<typeof ApiKeyEntity>
