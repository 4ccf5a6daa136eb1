import type { Sql } from '../db/sql.ts'
import type { ProjectId, SourceId } from '../kernel/ids.ts'
import { countHappened, happenedColumns } from '../rollups/index.ts'
import type { Refusal } from './refusal.ts'

/**
 * Stores refusals and counts them; those that are there already stay as they are, so that a batch whose answer got lost
 * may be repeated.
 *
 * @returns the source of each row that was new. What was refused by a source that is gone is left out.
 */
export async function insertRefusals(sql: Sql, batch: readonly Refusal[]): Promise<SourceId[]> {
  const column = <Value>(value: (refusal: Refusal) => Value): Value[] => batch.map(value)
  const rows = await sql.query<{ source_id: SourceId }>(insertText, [
    column((r) => r.id),
    column((r) => r.projectId),
    column((r) => r.sourceId),
    column((r) => r.refusedAt),
    column((r) => r.reason),
    column((r) => r.detail),
    column((r) => r.status),
    column((r) => r.method),
    column((r) => r.remoteAddress),
    column((r) => r.bodyBytes),
    column((r) => r.signature),
    column((r) => r.signedContentDigest),
    column((r) => r.clockSkewMs),
  ])
  return rows.map((row) => row.source_id)
}

/** So many requests that a source turned away in a minute, and that are not stored one by one. */
export interface RefusedMore {
  readonly projectId: ProjectId
  readonly sourceId: SourceId
  /** Any time within it. */
  readonly minute: Date
  readonly count: number
}

export async function countRefused(sql: Sql, refused: readonly RefusedMore[]): Promise<void> {
  await sql.query(countText, [
    refused.map((r) => r.projectId),
    refused.map((r) => r.sourceId),
    refused.map((r) => r.minute),
    refused.map((r) => r.count),
  ])
}

/** Drops all but the latest of each source. */
export async function trimRefusals(sql: Sql, sourceIds: readonly SourceId[], keptRows: number): Promise<void> {
  await sql.query(trimText, [sourceIds, keptRows])
}

/** Removes what a deleted source leaves behind, `limit` rows at most. @returns how many there were. */
export async function removeRefusals(sql: Sql, sourceId: SourceId, limit: number): Promise<number> {
  return (await sql.query(removeText, [sourceId, limit])).length
}

// The share of the source's row holds off its deletion until the commit, so that the purge that follows finds our rows.
// Indexes: sources_pkey, refusals_pkey.
const insertText = `
  with source as materialized (
    select s.id
      from sources as s
     where s.id = any($3::text[])
     order by s.id
       for key share
  ), stored as (
    insert into refusals (id, project_id, source_id, refused_at, reason, detail, status, method, remote_address,
                          body_bytes, signature, signed_content_digest, clock_skew_ms)
    select r.*
      from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::int[], $8::text[],
                  $9::text[], $10::bigint[], $11::text[], $12::text[], $13::bigint[])
        as r (id, project_id, source_id, refused_at, reason, detail, status, method, remote_address, body_bytes,
              signature, signed_content_digest, clock_skew_ms)
      join source as s on s.id = r.source_id
     order by r.id
        on conflict (id) do nothing
    returning project_id, source_id, refused_at
  ), happened as (
    select ${happenedColumns('r.project_id', {
      source_id: 'r.source_id',
      minute: `date_trunc('minute', r.refused_at, 'UTC')`,
      refused: '1',
    })}
      from stored as r
  ), ${countHappened(`'refusals'`)}
  select r.source_id from stored as r`

// Index: sources_pkey.
const countText = `
  with happened as (
    select ${happenedColumns('r.project_id', {
      source_id: 'r.source_id',
      minute: `date_trunc('minute', r.refused_at, 'UTC')`,
      refused: 'r.count',
    })}
      from unnest($1::text[], $2::text[], $3::timestamptz[], $4::bigint[]) as r (project_id, source_id, refused_at, count)
     where exists (select from sources as s where s.id = r.source_id)
  ), ${countHappened(`'refusals'`)}
  select`

// What another process trims just now is locked, and left to it. Index: refusals_source_id_id_index.
const trimText = `
  with surplus as materialized (
    select r.id
      from unnest($1::text[]) as s (source_id)
     cross join lateral (
       select x.id
         from refusals as x
        where x.source_id = s.source_id
        order by x.id desc
       offset $2::int
        limit 1) as newest
      join refusals as r on r.source_id = s.source_id and r.id <= newest.id
       for update of r skip locked
  )
  delete from refusals as r
   using surplus as s
   where r.id = s.id`

// Index: refusals_source_id_id_index.
const removeText = `
  delete from refusals as r
   using (select x.id
            from refusals as x
           where x.source_id = $1::text
           order by x.id
           limit $2::int) as doomed
   where r.id = doomed.id
  returning r.id`
