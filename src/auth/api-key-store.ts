import type { Orm } from '../db/orm.ts'
import type { ApiKeyId, ProjectId } from '../kernel/ids.ts'
import { type Page, pageOf } from '../projects/page.ts'
import { type ApiKey, ApiKeyEntity } from './api-key.entity.ts'

export interface ApiKeyStore {
  /** Latest first, revoked ones included; `after` is the last key of the page before. */
  page(projectId: ProjectId, options: { first: number; after: ApiKeyId | null }): Promise<Page<ApiKey>>
  count(projectId: ProjectId): Promise<number>
  /** Those of them that exist in the project, in any order. */
  byIds(projectId: ProjectId, ids: readonly ApiKeyId[]): Promise<ApiKey[]>
}

export function createApiKeyStore(orm: Orm): ApiKeyStore {
  return {
    async page(projectId, { first, after }) {
      // Index: api_keys_project_id_id_index. Ids rise with time, so that their order is that of creation.
      const where = { projectId, ...(after === null ? {} : { id: { $lt: after } }) }
      const rows = await orm.em.fork().find(ApiKeyEntity, where, { orderBy: { id: 'desc' }, limit: first + 1 })
      return pageOf(rows, first)
    },
    count: (projectId) => orm.em.fork().count(ApiKeyEntity, { projectId }),
    byIds: (projectId, ids) => orm.em.fork().find(ApiKeyEntity, { projectId, id: { $in: [...ids] } }),
  }
}
