import type { FilterQuery } from '@mikro-orm/postgresql'
import type { Reach } from '../auth/viewer.ts'
import type { Orm } from '../db/orm.ts'
import type { SourceId } from '../kernel/ids.ts'
import { type Page, pageOf } from '../projects/page.ts'
import { type Source, SourceEntity } from './source.entity.ts'

/** Sources as a caller sees them: of its project, and of these only those that it is limited to. */
export interface SourceStore {
  /** By name; `after` is the last name of the page before. */
  page(reach: Reach, options: { first: number; after: string | null }): Promise<Page<Source>>
  count(reach: Reach): Promise<number>
  /** Those of them that the caller sees, in any order. */
  byIds(reach: Reach, ids: readonly SourceId[]): Promise<Source[]>
  byName(reach: Reach, name: string): Promise<Source | null>
}

export function createSourceStore(orm: Orm): SourceStore {
  const find = (where: FilterQuery<Source>[], limit: number) =>
    // Index: sources_project_id_name_unique, or the primary key.
    orm.em.fork().find(SourceEntity, { $and: where }, { orderBy: { name: 'asc' }, limit })
  return {
    async page(reach, { first, after }) {
      const further = after === null ? [] : [{ name: { $gt: after } }]
      return pageOf(await find([within(reach), ...further], first + 1), first)
    },
    count: (reach) => orm.em.fork().count(SourceEntity, within(reach)),
    byIds: (reach, ids) => find([within(reach), { id: { $in: [...ids] } }], ids.length),
    byName: async (reach, name) => (await find([within(reach), { name }], 1))[0] ?? null,
  }
}

function within({ projectId, sourceIds }: Reach): FilterQuery<Source> {
  return sourceIds === null ? { projectId } : { projectId, id: { $in: [...sourceIds] } }
}
