import type { FilterQuery } from '@mikro-orm/postgresql'
import type { Reach } from '../auth/viewer.ts'
import type { Orm } from '../db/orm.ts'
import type { EndpointId } from '../kernel/ids.ts'
import { type Page, pageOf } from '../projects/page.ts'
import { type Endpoint, EndpointEntity } from './endpoint.entity.ts'

/** Endpoints as a caller sees them: who is limited to some sources sees those that get these sources' messages alone. */
export interface EndpointStore {
  /** Latest first; `after` is the last endpoint of the page before. */
  page(reach: Reach, options: { first: number; after: EndpointId | null }): Promise<Page<Endpoint>>
  count(reach: Reach): Promise<number>
  /** Those of them that the caller sees, in any order. */
  byIds(reach: Reach, ids: readonly EndpointId[]): Promise<Endpoint[]>
}

export function createEndpointStore(orm: Orm): EndpointStore {
  const find = (where: FilterQuery<Endpoint>[], limit: number) =>
    // Index: endpoints_project_id_id_index. Ids rise with time, so that their order is that of creation.
    orm.em.fork().find(EndpointEntity, { $and: where }, { orderBy: { id: 'desc' }, limit })
  return {
    async page(reach, { first, after }) {
      const further = after === null ? [] : [{ id: { $lt: after } }]
      return pageOf(await find([within(reach), ...further], first + 1), first)
    },
    count: (reach) => orm.em.fork().count(EndpointEntity, within(reach)),
    byIds: (reach, ids) => find([within(reach), { id: { $in: [...ids] } }], ids.length),
  }
}

// Contained in the caller's sources; false for null, which is all sources. The same rule as seesAllOf.
function within({ projectId, sourceIds }: Reach): FilterQuery<Endpoint> {
  return sourceIds === null ? { projectId } : { projectId, sourceIds: { $contained: [...sourceIds] } }
}
