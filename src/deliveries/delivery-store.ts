import type { Sql } from '../db/sql.ts'
import type { AttemptId, DeliveryId, MessageId, ProjectId } from '../kernel/ids.ts'
import type { Attempt, Delivery, DeliveryFilter } from './delivery.ts'
import {
  type AttemptRow,
  attemptOf,
  attemptsText,
  byIdsText,
  type DeliveryRow,
  deliveryOf,
  filterValues,
  lookedAtFor,
  ofMessagesText,
  pageText,
} from './delivery-rows.ts'
import { gatherReads } from './gathered-reads.ts'

/** All reading of deliveries and attempts by clients; each query is one statement, bounded, and of one project. */
export interface DeliveryStore {
  /** A page by time of creation. Looks at 10,000 deliveries at most, or as many dead letters if only such are meant; the filter hides some of them. */
  page(query: DeliveryQuery): Promise<DeliveryPage>
  /** The deliveries of each message in the order of creation; `first` + 1 per message, to tell whether there are more. */
  ofMessages(
    projectId: ProjectId,
    places: readonly { readonly messageId: MessageId; readonly after: DeliveryId | null }[],
    first: number,
  ): Promise<Map<MessageId, Delivery[]>>
  byId(projectId: ProjectId, id: DeliveryId): Promise<Delivery | null>
  /** In no order; those that are gone or another project's are left out. */
  byIds(projectId: ProjectId, ids: readonly DeliveryId[]): Promise<Delivery[]>
  /** The same for many who ask at the same moment; see `gatherReads`. */
  byIdsTogether: DeliveryStore['byIds']
  /** The attempts of each delivery, first to last; `first` + 1 per delivery, to tell whether there are more. */
  attemptsOf(
    places: readonly { readonly deliveryId: DeliveryId; readonly after: AttemptId | null }[],
    first: number,
  ): Promise<Map<DeliveryId, Attempt[]>>
  /** The latest that match, latest first, of the latest 10,000. */
  latest(projectId: ProjectId, filter: DeliveryFilter, limit: number): Promise<Delivery[]>
}

export interface DeliveryQuery {
  readonly projectId: ProjectId
  readonly filter: DeliveryFilter
  readonly order: 'newest-first' | 'oldest-first'
  readonly first: number
  /** Go on after this delivery, or after the place that an earlier page looked to. */
  readonly after: DeliveryId | null
}

export interface DeliveryPage {
  /** At most `first`; may be fewer, even none, while there is more. */
  readonly rows: Delivery[]
  /** Where the next page begins: past what the filter hid. Null when nothing was looked at. */
  readonly lookedToId: DeliveryId | null
  readonly hasMore: boolean
}

const maxLooked = 10_000

export function createDeliveryStore(sql: Sql): DeliveryStore {
  async function byIds(projectId: ProjectId, ids: readonly DeliveryId[]): Promise<Delivery[]> {
    return (await sql.query<DeliveryRow>(byIdsText, [projectId, ids])).map(deliveryOf)
  }

  return {
    page: (query) => page(sql, query),
    byIds,
    byIdsTogether: gatherReads(byIds),
    byId: async (projectId, id) => (await byIds(projectId, [id]))[0] ?? null,
    async ofMessages(projectId, places, first) {
      const values = [projectId, places.map((p) => p.messageId), places.map((p) => p.after), first + 1]
      const rows = await sql.query<DeliveryRow>(ofMessagesText, values)
      return Map.groupBy(rows.map(deliveryOf), (delivery) => delivery.messageId)
    },
    async attemptsOf(places, first) {
      const values = [places.map((p) => p.deliveryId), places.map((p) => p.after), first + 1]
      const rows = await sql.query<AttemptRow>(attemptsText, values)
      return Map.groupBy(rows.map(attemptOf), (attempt) => attempt.deliveryId)
    },
    async latest(projectId, filter, limit) {
      const query = { projectId, filter, order: 'newest-first', first: limit, after: null } as const
      return (await page(sql, query)).rows
    },
  }
}

async function page(sql: Sql, { projectId, filter, order, first, after }: DeliveryQuery): Promise<DeliveryPage> {
  const text = pageText(order, lookedAtFor(filter))
  // One more than asked for tells whether there are more.
  const values = [projectId, ...filterValues(filter), after, first + 1, maxLooked]
  const rows = await sql.query<DeliveryRow & PlaceRow>(text, values)
  const found = rows.filter((row) => row.id !== null).map(deliveryOf)
  const [place] = rows
  if (found.length > first) {
    const shown = found.slice(0, first)
    return { rows: shown, lookedToId: shown.at(-1)?.id ?? null, hasMore: true }
  }
  return { rows: found, lookedToId: place?.looked_to_id ?? null, hasMore: place?.looked === maxLooked }
}

interface PlaceRow {
  looked_to_id: DeliveryId | null
  looked: number
}
