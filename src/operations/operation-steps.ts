import type { Sql } from '../db/sql.ts'
import type { OperationId, ProjectId, SourceId } from '../kernel/ids.ts'
import type { OperationKind } from './operation.ts'

export interface RunningOperation {
  readonly id: OperationId
  readonly projectId: ProjectId
  readonly kind: OperationKind
  readonly sourceIds: readonly SourceId[] | null
  /** What was asked for, from its JSON. */
  readonly input: unknown
  /** Where the step before came to, from its JSON. */
  readonly progress: unknown
}

/** Keeps other workers, and who calls it off, out until the transaction ends. @returns null when it does not run. */
export async function lockRunning(sql: Sql, id: OperationId): Promise<RunningOperation | null> {
  const [row] = await sql.query<RunningRow>(lockText, [id])
  if (row === undefined) return null
  return {
    id: row.id,
    projectId: row.project_id,
    kind: row.kind,
    sourceIds: row.source_ids,
    input: JSON.parse(row.input),
    progress: JSON.parse(row.progress),
  }
}

interface RunningRow {
  id: OperationId
  project_id: ProjectId
  kind: OperationKind
  source_ids: SourceId[] | null
  input: string
  progress: string
}

export async function moveOperation(
  sql: Sql,
  id: OperationId,
  step: {
    readonly progress: object
    readonly totalCount?: number
    readonly done: number
    readonly skipped: number
  },
): Promise<void> {
  const { progress, totalCount = null, done, skipped } = step
  await sql.query(moveText, [id, JSON.stringify(progress), totalCount, done, skipped])
}

export async function finishOperation(
  sql: Sql,
  id: OperationId,
  end: { readonly status: 'completed' | 'failed'; readonly failureDetail: string | null },
): Promise<void> {
  await sql.query(finishText, [id, end.status, end.failureDetail])
}

const lockText = `
  select o.id, o.project_id, o.kind, o.source_ids, o.input, o.progress
    from operations as o
   where o.id = $1::text
     and o.finished_at is null
     for update`

const moveText = `
  update operations
     set progress = $2::text,
         total_count = coalesce($3::bigint, total_count),
         done_count = done_count + $4::bigint,
         skipped_count = skipped_count + $5::bigint,
         updated_at = now()
   where id = $1::text`

// What was counted and is gone was dealt with as well: a completed operation is done in full.
const finishText = `
  update operations
     set status = $2::text,
         failure_detail = $3::text,
         total_count = case when $2::text = 'completed' then greatest(total_count, done_count) else total_count end,
         done_count = case when $2::text = 'completed' then greatest(total_count, done_count) else done_count end,
         skipped_count = case when $2::text = 'completed'
                              then skipped_count + greatest(total_count, done_count) - done_count
                              else skipped_count
                         end,
         finished_at = now(),
         updated_at = now()
   where id = $1::text`
