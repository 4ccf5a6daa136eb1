import type { ApiKeyId, OperationId, ProjectId, SourceId } from '../kernel/ids.ts'
import type { Operation, OperationKind, OperationStatus } from './operation.ts'

export interface OperationRow {
  id: OperationId
  project_id: ProjectId
  api_key_id: ApiKeyId
  source_ids: SourceId[] | null
  kind: OperationKind
  status: OperationStatus
  total_count: number | null
  done_count: number
  skipped_count: number
  failure_detail: string | null
  created_at: Date
  updated_at: Date
  finished_at: Date | null
}

/** Of the table `operations as o`. */
export const operationColumns = `
  o.id, o.project_id, o.api_key_id, o.source_ids, o.kind, o.status, o.total_count, o.done_count, o.skipped_count,
  o.failure_detail, o.created_at, o.updated_at, o.finished_at`

export function operationOf(row: OperationRow): Operation {
  return {
    id: row.id,
    projectId: row.project_id,
    apiKeyId: row.api_key_id,
    sourceIds: row.source_ids,
    kind: row.kind,
    status: row.status,
    totalCount: row.total_count,
    doneCount: row.done_count,
    skippedCount: row.skipped_count,
    failureDetail: row.failure_detail,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    finishedAt: row.finished_at,
  }
}

/**
 * What a caller sees ($1 the project, $2 its sources or null): who is limited to some sources sees the operations on
 * these alone.
 */
export const isWithinReach = `
       o.project_id = $1::text
   and ($2::text[] is null or o.source_ids <@ $2::text[])`
