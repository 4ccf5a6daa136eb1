import type { FilterQuery } from '@mikro-orm/postgresql'
import type { Orm } from '../db/orm.ts'
import type { EventTypeId, ProjectId } from '../kernel/ids.ts'
import { type Page, pageOf } from '../projects/page.ts'
import { type EventType, EventTypeEntity } from './event-type.entity.ts'

export interface EventTypeStore {
  /** By name; `after` is the last name of the page before. A prefix of null is all. */
  page(
    projectId: ProjectId,
    options: { prefix: string | null; first: number; after: string | null },
  ): Promise<Page<EventType>>
  count(projectId: ProjectId, prefix: string | null): Promise<number>
  /** Those of them that exist in the project, in any order. */
  byIds(projectId: ProjectId, ids: readonly EventTypeId[]): Promise<EventType[]>
}

export function createEventTypeStore(orm: Orm): EventTypeStore {
  return {
    async page(projectId, { prefix, first, after }) {
      const where =
        after === null
          ? beginning(projectId, prefix)
          : { ...beginning(projectId, prefix), $and: [{ name: { $gt: after } }] }
      // Index: event_types_project_id_name_unique.
      const rows = await orm.em.fork().find(EventTypeEntity, where, { orderBy: { name: 'asc' }, limit: first + 1 })
      return pageOf(rows, first)
    },
    count: (projectId, prefix) => orm.em.fork().count(EventTypeEntity, beginning(projectId, prefix)),
    byIds: (projectId, ids) => orm.em.fork().find(EventTypeEntity, { projectId, id: { $in: [...ids] } }),
  }
}

function beginning(projectId: ProjectId, prefix: string | null): FilterQuery<EventType> & object {
  return prefix === null ? { projectId } : { projectId, name: { $like: `${prefix.replace(/[\\%_]/g, '\\$&')}%` } }
}
