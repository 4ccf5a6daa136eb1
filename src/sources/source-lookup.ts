import type { Sql } from '../db/sql.ts'
import type { ProjectId, SourceId } from '../kernel/ids.ts'
import type { RateLimit } from '../projects/limits.ts'
import type { Mapping, VerificationPreset } from '../signatures/index.ts'
import type { StoredResponse, VerificationOptions } from './source.entity.ts'

/** One way of finding a source. */
export interface Lookup {
  readonly statementName: string
  /** Yields the source's id and the end of the address. Each uses a unique index. */
  readonly found: string
}

/** By the SHA-256 of a token, in hex; a former one is found as well. */
export const tokenLookup: Lookup = {
  statementName: 'source_by_token',
  found: `select s.id, null::timestamptz as ends_at from sources as s where s.token_hash = decode($1::text, 'hex')
           union all
          select f.source_id, f.expires_at from former_tokens as f where f.token_hash = decode($1::text, 'hex')`,
}

/** By the names of project and source. */
export const queueLookup: Lookup = {
  statementName: 'source_by_queue',
  found: `select s.id, null::timestamptz as ends_at
            from sources as s
            join projects as p on p.id = s.project_id
           where p.name = $1::text and s.name = $2::text`,
}

/** By the project's id and the source's name. */
export const nameLookup: Lookup = {
  statementName: 'source_by_name',
  found: `select s.id, null::timestamptz as ends_at
            from sources as s where s.project_id = $1::text and s.name = $2::text`,
}

export const idLookup: Lookup = {
  statementName: 'source_by_id',
  found: `select $1::text as id, null::timestamptz as ends_at`,
}

/** What a request needs to know of a source, as it is stored. */
export interface SourceRow {
  id: SourceId
  project_id: ProjectId
  name: string
  verification_preset: VerificationPreset | null
  verification_options: VerificationOptions | null
  max_body_bytes: number
  allowed_methods: string[]
  allowed_networks: string[]
  requires_json: boolean
  mapping: Mapping | null
  duplicate_window_ms: number
  rate_limit: RateLimit | null
  project_rate_limit: RateLimit | null
  accepted_response: StoredResponse | null
  /** When the address that it was found by ends; null when it stays. */
  ends_at: Date | null
}

/** @returns null for what leads nowhere, or to a source that is paused or built in. */
export async function findSource(sql: Sql, lookup: Lookup, values: readonly string[]): Promise<SourceRow | null> {
  const [row] = await sql.query<SourceRow>(
    `select s.id, s.project_id, s.name, s.verification_preset, s.verification_options, s.max_body_bytes,
            s.allowed_methods, s.allowed_networks, s.requires_json, s.mapping, s.duplicate_window_ms,
            s.rate_limit, p.rate_limit as project_rate_limit, s.accepted_response, found.ends_at
       from (${lookup.found}) as found
       join sources as s on s.id = found.id
       join projects as p on p.id = s.project_id
      where not s.is_paused
        and not s.is_system
        and (found.ends_at is null or found.ends_at > now())
      limit 1`,
    values,
    lookup.statementName,
  )
  return row ?? null
}
