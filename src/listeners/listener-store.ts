import type { Viewer } from '../auth/viewer.ts'
import { allows } from '../auth/viewer.ts'
import type { Sql } from '../db/sql.ts'
import type { ApiKeyId, ListenerId, ProjectId, SourceId } from '../kernel/ids.ts'
import { type Page, pageOf } from '../projects/page.ts'
import type { Listener, ListenerState } from './listener.ts'

/** All reading of listeners. A key sees its own; with ADMIN those of all keys, as far as it may use their sources. */
export interface ListenerStore {
  /** By name, then by id; `after` is the last listener of the page before. */
  page(
    viewer: Viewer,
    options: { first: number; after: { readonly name: string; readonly id: ListenerId } | null },
  ): Promise<Page<Listener>>
  count(viewer: Viewer): Promise<number>
  /** Those of them that the viewer sees, in any order. */
  byIds(viewer: Viewer, ids: readonly ListenerId[]): Promise<Listener[]>
  /** One of the viewer's own. */
  byName(viewer: Viewer, name: string): Promise<Listener | null>
}

export function createListenerStore(sql: Sql): ListenerStore {
  return {
    async page(viewer, { first, after }) {
      const values = [...valuesOf(viewer), after?.name ?? null, after?.id ?? null, first + 1]
      return pageOf((await sql.query<ListenerRow>(pageText, values)).map(listenerOf), first)
    },
    async count(viewer) {
      const [row] = await sql.query<{ count: number }>(countText, valuesOf(viewer))
      return row?.count ?? 0
    },
    async byIds(viewer, ids) {
      return (await sql.query<ListenerRow>(byIdsText, [...valuesOf(viewer), ids])).map(listenerOf)
    },
    async byName(viewer, name) {
      const [row] = await sql.query<ListenerRow>(byNameText, [viewer.keyId, name])
      return row === undefined ? null : listenerOf(row)
    },
  }
}

// Whose listeners the viewer sees: $1 to $4 of each statement.
function valuesOf(viewer: Viewer): unknown[] {
  const sourceIds = viewer.sourceIds === null ? null : [...viewer.sourceIds]
  return [viewer.projectId, viewer.keyId, allows(viewer, 'admin'), sourceIds]
}

const isSeen = `
       l.project_id = $1::text
   and (l.api_key_id = $2::text or ($3::bool and ($4::text[] is null or l.source_id = any($4::text[]))))`

/** Whether the key `k` may read the source of the listener `l` now: in SQL what the authenticator and `allows` say. */
export const mayListen = `
  (k.revoked_at is null
   and (k.expires_at is null or k.expires_at > now())
   and k.scopes && '{listen,admin}'::text[]
   and (k.source_ids is null or l.source_id = any(k.source_ids)))`

// A place of another history, or beyond the end, is one that a restored backup does not know: all that is kept follows.
const selection = `
  select l.id, l.project_id, l.api_key_id, l.source_id, l.name, l.log_epoch, l.acknowledged_sequence, l.last_seen_at,
         l.created_at,
         case when not ${mayListen} then 'disconnected'
              when l.lease_expires_at > now() then 'live'
              else 'waiting'
         end as state,
         h.last_sequence - case when l.log_epoch = h.log_epoch and l.acknowledged_sequence <= h.last_sequence
                                then greatest(l.acknowledged_sequence, h.first_sequence - 1)
                                else h.first_sequence - 1
                           end as lag_count
    from listeners as l
    join api_keys as k on k.id = l.api_key_id
    join source_heads as h on h.source_id = l.source_id`

// Names of several keys may be the same: ids break ties. Index: listeners_project_id_name_id_index.
const pageText = `${selection}
   where ${isSeen}
     and ($5::text is null or (l.name, l.id) > ($5::text, $6::text))
   order by l.name, l.id
   limit $7::int`

const countText = `
  select count(*) as count
    from listeners as l
   where ${isSeen}`

// Index: listeners_pkey.
const byIdsText = `${selection}
   where ${isSeen}
     and l.id = any($5::text[])`

// Index: listeners_api_key_id_name_unique.
const byNameText = `${selection}
   where l.api_key_id = $1::text
     and l.name = $2::text`

interface ListenerRow {
  id: ListenerId
  project_id: ProjectId
  api_key_id: ApiKeyId
  source_id: SourceId
  name: string
  state: ListenerState
  log_epoch: string
  acknowledged_sequence: number
  lag_count: number
  last_seen_at: Date | null
  created_at: Date
}

function listenerOf(row: ListenerRow): Listener {
  return {
    id: row.id,
    projectId: row.project_id,
    apiKeyId: row.api_key_id,
    sourceId: row.source_id,
    name: row.name,
    state: row.state,
    acknowledged: { logEpoch: row.log_epoch, sequence: row.acknowledged_sequence },
    lagCount: row.lag_count,
    lastSeenAt: row.last_seen_at,
    createdAt: row.created_at,
  }
}
