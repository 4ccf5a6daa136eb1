import type { Sql } from '../db/sql.ts'
import { isId, type SourceId } from '../kernel/ids.ts'
import type { Issue } from '../kernel/outcome.ts'
import { issue } from '../projects/input-checks.ts'
import { type Reach, seesSource } from './viewer.ts'

const path = ['input', 'sourceIds']

/** Enough for the lists that people keep; beyond it, no limit to sources and a project of its own serve better. */
const maxSourceIds = 100

/**
 * Checks the sources that a key or an endpoint shall be limited to: at most 100, all within the caller's reach. A caller
 * who is limited to some sources has to name some of these, because none named would mean all.
 */
export async function checkSourceIds(
  sql: Sql,
  reach: Reach,
  sourceIds: readonly string[] | null | undefined,
): Promise<Issue[]> {
  if (sourceIds === null || sourceIds === undefined) {
    if (reach.sourceIds === null) return []
    return [issue('REQUIRED', path, 'This key is limited to some sources: name those that are meant.')]
  }
  if (sourceIds.length > maxSourceIds) {
    return [issue('OUT_OF_RANGE', path, `At most ${maxSourceIds} sources can be named; to mean all, name none.`)]
  }
  const existing = await existingSourceIds(sql, reach, sourceIds)
  return [...sourceIds.entries()]
    .filter(([, id]) => !existing.has(id))
    .map(([position]) => issue('NOT_FOUND', [...path, `${position}`], 'There is no such source in this project.'))
}

/** What is stored of a list that passed the check: without repetitions; null stays null. */
export function keptSourceIds(sourceIds: readonly string[] | null | undefined): SourceId[] | null {
  if (sourceIds === null || sourceIds === undefined) return null
  return [...new Set(sourceIds)].filter((id) => isId('src', id))
}

async function existingSourceIds(sql: Sql, reach: Reach, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const candidates = ids.filter((id): id is SourceId => isId('src', id)).filter((id) => seesSource(reach, id))
  if (candidates.length === 0) return new Set()
  const rows = await sql.query<{ id: string }>(
    `select s.id from sources as s where s.project_id = $1::text and s.id = any ($2::text[])`,
    [reach.projectId, candidates],
  )
  return new Set(rows.map((row) => row.id))
}
