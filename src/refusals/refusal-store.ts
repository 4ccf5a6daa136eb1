import type { Sql } from '../db/sql.ts'
import type { ProjectId, RefusalId, SourceId } from '../kernel/ids.ts'
import type { Refusal, RefusalReason } from './refusal.ts'

/** All reading of refusals; each query is one statement, and bounded. */
export interface RefusalStore {
  /** The refusals of each source, newest first; `first` + 1 per source, to tell whether there are more. */
  ofSources(
    projectId: ProjectId,
    places: readonly { readonly sourceId: SourceId; readonly after: RefusalId | null }[],
    first: number,
  ): Promise<Map<SourceId, Refusal[]>>
  /** In no order; those that are gone or another project's are left out. */
  byIds(projectId: ProjectId, ids: readonly RefusalId[]): Promise<Refusal[]>
  /** The latest of a source, oldest first. */
  latest(sourceId: SourceId, limit: number): Promise<Refusal[]>
  /** What else there is, oldest first. @returns null when the source is gone. */
  further(sourceId: SourceId, known: KnownRefusals, limit: number): Promise<Refusal[] | null>
}

export interface KnownRefusals {
  /** All up to this one count as known; null when none does. */
  readonly upTo: RefusalId | null
  readonly ids: readonly RefusalId[]
}

export function createRefusalStore(sql: Sql): RefusalStore {
  return {
    async ofSources(projectId, places, first) {
      const values = [projectId, places.map((p) => p.sourceId), places.map((p) => p.after), first + 1]
      const rows = await sql.query<RefusalRow>(ofSourcesText, values)
      return Map.groupBy(rows.map(refusalOf), (refusal) => refusal.sourceId)
    },
    async byIds(projectId, ids) {
      return (await sql.query<RefusalRow>(byIdsText, [projectId, ids])).map(refusalOf)
    },
    async latest(sourceId, limit) {
      return (await sql.query<RefusalRow>(latestText, [sourceId, limit])).map(refusalOf).reverse()
    },
    async further(sourceId, { upTo, ids }, limit) {
      const rows = await sql.query<RefusalRow | { id: null }>(furtherText, [sourceId, upTo, ids, limit])
      if (rows.length === 0) return null
      return rows.filter((row) => row.id !== null).map(refusalOf)
    },
  }
}

interface RefusalRow {
  id: RefusalId
  project_id: ProjectId
  source_id: SourceId
  refused_at: Date
  reason: RefusalReason
  detail: string
  status: number
  method: string
  remote_address: string
  body_bytes: number
  signature: string | null
  signed_content_digest: string | null
  clock_skew_ms: number | null
}

function refusalOf(row: RefusalRow): Refusal {
  return {
    id: row.id,
    projectId: row.project_id,
    sourceId: row.source_id,
    refusedAt: row.refused_at,
    reason: row.reason,
    detail: row.detail,
    status: row.status,
    method: row.method,
    remoteAddress: row.remote_address,
    bodyBytes: row.body_bytes,
    signature: row.signature,
    signedContentDigest: row.signed_content_digest,
    clockSkewMs: row.clock_skew_ms,
  }
}

const columns = `
  r.id, r.project_id, r.source_id, r.refused_at, r.reason, r.detail, r.status, r.method, r.remote_address, r.body_bytes,
  r.signature, r.signed_content_digest, r.clock_skew_ms`

// A page per source in one statement; ids rise with time and are unique. Index: refusals_source_id_id_index.
const ofSourcesText = `
  select ${columns}
    from unnest($2::text[], $3::text[]) as place (source_id, after_id)
   cross join lateral (
     select *
       from refusals as x
      where x.source_id = place.source_id
        and x.project_id = $1::text
        and (place.after_id is null or x.id < place.after_id)
      order by x.id desc
      limit $4::int) as r
   order by r.source_id, r.id desc`

// Index: refusals_pkey.
const byIdsText = `
  select ${columns}
    from refusals as r
   where r.id = any($2::text[])
     and r.project_id = $1::text`

// Index: refusals_source_id_id_index.
const latestText = `
  select ${columns}
    from refusals as r
   where r.source_id = $1::text
   order by r.id desc
   limit $2::int`

// The row of nulls that comes when there is nothing else says that the source is still there. Indexes: sources_pkey,
// refusals_source_id_id_index.
const furtherText = `
  select ${columns}
    from sources as s
    left join lateral (
      select *
        from refusals as x
       where x.source_id = s.id
         and ($2::text is null or x.id > $2::text)
         and x.id <> all($3::text[])
       order by x.id
       limit $4::int) as r on true
   where s.id = $1::text
   order by r.id`
