import type { FilterQuery } from '@mikro-orm/postgresql'
import { type Reach, seesSource } from '../auth/viewer.ts'
import type { Orm } from '../db/orm.ts'
import { type EndpointId, isId } from '../kernel/ids.ts'
import { type Page, pageOf } from '../projects/page.ts'
import { type Source, SourceEntity } from '../sources/index.ts'
import { type Endpoint, EndpointEntity, type EndpointStatus } from './endpoint.entity.ts'

/** Which endpoints are meant: all that is given must hold. */
export interface EndpointFilter {
  readonly statuses?: readonly EndpointStatus[] | null | undefined
  readonly label?: string | null | undefined
  /** A source whose messages they get; one that the caller does not see has no endpoints. */
  readonly sourceId?: string | null | undefined
}

/** Endpoints as a caller sees them: who is limited to some sources sees those that get these sources' messages alone. */
export interface EndpointStore {
  /** Latest first; `after` is the last endpoint of the page before. */
  page(
    reach: Reach,
    options: { first: number; after: EndpointId | null; filter?: EndpointFilter },
  ): Promise<Page<Endpoint>>
  count(reach: Reach, filter?: EndpointFilter): Promise<number>
  /** Those of them that the caller sees, in any order. */
  byIds(reach: Reach, ids: readonly EndpointId[]): Promise<Endpoint[]>
}

export function createEndpointStore(orm: Orm): EndpointStore {
  const find = (where: FilterQuery<Endpoint>[], limit: number) =>
    // Index: endpoints_project_id_id_index. Ids rise with time, so that their order is that of creation.
    orm.em.fork().find(EndpointEntity, { $and: where }, { orderBy: { id: 'desc' }, limit })
  return {
    async page(reach, { first, after, filter = {} }) {
      const matching = await matches(orm, reach, filter)
      if (matching === null) return { rows: [], hasMore: false }
      const further = after === null ? [] : [{ id: { $lt: after } }]
      return pageOf(await find([within(reach), ...matching, ...further], first + 1), first)
    },
    async count(reach, filter = {}) {
      const matching = await matches(orm, reach, filter)
      return matching === null ? 0 : await orm.em.fork().count(EndpointEntity, { $and: [within(reach), ...matching] })
    },
    byIds: (reach, ids) => find([within(reach), { id: { $in: [...ids] } }], ids.length),
  }
}

// Contained in the caller's sources; false for null, which is all sources. The same rule as seesAllOf.
function within({ projectId, sourceIds }: Reach): FilterQuery<Endpoint> {
  return sourceIds === null ? { projectId } : { projectId, sourceIds: { $contained: [...sourceIds] } }
}

/** @returns null when nothing can match. */
async function matches(
  orm: Orm,
  reach: Reach,
  { statuses, label, sourceId }: EndpointFilter,
): Promise<FilterQuery<Endpoint>[] | null> {
  const source = isGiven(sourceId) ? await findOwnSource(orm, reach, sourceId) : null
  // An endpoint of all sources gets those of its project, not whatever is asked for.
  if (isGiven(sourceId) && source === null) return null
  const ofAllSources = source?.isSystem ? [] : [{ sourceIds: null }]
  return [
    ...(statuses ? [{ status: { $in: [...statuses] } }] : []),
    ...(isGiven(label) ? [{ labels: { $contains: [label] } }] : []),
    ...(isGiven(sourceId) ? [{ $or: [...ofAllSources, { sourceIds: { $contains: [sourceId] } }] }] : []),
  ] as FilterQuery<Endpoint>[]
}

function isGiven(text: string | null | undefined): text is string {
  return text !== null && text !== undefined
}

async function findOwnSource(orm: Orm, reach: Reach, id: string): Promise<Source | null> {
  if (!isId('src', id) || !seesSource(reach, id)) return null
  return await orm.em.fork().findOne(SourceEntity, { id, projectId: reach.projectId })
}
