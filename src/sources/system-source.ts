import { randomBytes } from 'node:crypto'
import type { Sql } from '../db/sql.ts'
import { newId, type ProjectId, type SourceId } from '../kernel/ids.ts'
import type { UserFailure } from '../kernel/outcome.ts'

/*
 * Each project has one built-in source, in which the gateway records what it has to tell itself (see src/system-events).
 * It has neither secret nor token, so that no request leads to it, and it is not in the directory of sources that take
 * messages. It is made together with its project; those of projects that an earlier version made, at a start or when they
 * are first needed.
 */

/** Taken by a source of the client's in some projects that are older than built-in sources: then it is another. */
const systemSourceName = 'system'
const otherName = 'hookline-system'

/** @returns the built-in source of the project, made when there is none yet. */
export async function ensureSystemSource(sql: Sql, projectId: ProjectId): Promise<SourceId> {
  for (;;) {
    const [found] = await sql.query<{ id: SourceId }>(findText, [projectId])
    if (found !== undefined) return found.id
    const id = newId('src')
    const names = [systemSourceName, otherName, `${otherName}-${id.slice('src_'.length)}`]
    // Somebody may make it at the same time, or take the name: then this does nothing, and the next round sees why.
    await sql.query(insertText, [id, projectId, names, randomBytes(9).toString('base64url')])
  }
}

/** Makes the built-in sources that are missing. */
export async function ensureSystemSources(sql: Sql): Promise<void> {
  const rows = await sql.query<{ id: ProjectId }>(withoutText)
  for (const { id } of rows) await ensureSystemSource(sql, id)
}

/**
 * SQL: whether it is a built-in source. What reaches all sources reaches all but that one, which has to be named. A value
 * and no `exists`, since that may be joined, and all built-in sources be read for one. Index: sources_pkey.
 *
 * @param id SQL for the source's id.
 */
export function isSystemSource(id: string): string {
  return `coalesce((select b.is_system from sources as b where b.id = ${id}), false)`
}

/** @param field of the input, which held the id. */
export function isBuiltIn(field = 'id'): UserFailure {
  const message = 'This is the built-in source of the project: only its retention can be changed.'
  return { kind: 'state-conflict', message, path: ['input', field] }
}

// Index: sources_system_index.
const findText = `
  select s.id
    from sources as s
   where s.project_id = $1::text
     and s.is_system`

const insertText = `
  with source as (
    insert into sources (id, project_id, name, is_system, allowed_methods, max_body_bytes, created_at)
    select $1::text, $2::text, n.name, true, '{}', 1, now()
      from unnest($3::text[]) with ordinality as n (name, place)
     where not exists (select from sources as s where s.project_id = $2::text and s.name = n.name)
     order by n.place
     limit 1
        on conflict do nothing
    returning id, project_id
  ), head as (
    insert into source_heads (source_id, project_id, log_epoch)
    select s.id, s.project_id, $4::text
      from source as s
  )
  insert into fan_out_marks (source_id)
  select s.id
    from source as s`

const withoutText = `
  select p.id
    from projects as p
   where not exists (select from sources as s where s.project_id = p.id and s.is_system)
   order by p.id`
