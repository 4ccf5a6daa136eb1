import type { Viewer } from '../auth/viewer.ts'
import type { Sql } from '../db/sql.ts'
import { newId, type SourceId } from '../kernel/ids.ts'
import { done, type Outcome } from '../kernel/outcome.ts'
import type { TaskQueue } from '../queue/index.ts'
import type { Operation, OperationKind } from './operation.ts'
import { type OperationRow, operationColumns, operationOf } from './operation-rows.ts'
import { runOperation, runOperationFor } from './run-operation.task.ts'

export interface NewOperation {
  readonly kind: OperationKind
  /** The sources that it is about; null when all of the project. */
  readonly sourceIds: readonly SourceId[] | null
  /** What was asked for; stored as JSON. */
  readonly input: object
  /** Where the first step begins; stored as JSON. */
  readonly progress: object
  /** Null when it is to be counted. */
  readonly totalCount: number | null
}

export type BegunOperation = Outcome<Operation>

/** Each keeps a worker busy: what waits behind so many is better asked for later. */
const maxRunning = 10

/**
 * Writes an operation and its task in the caller's transaction. Wake `runOperation` after the commit.
 *
 * @returns `limit-reached` when the project has 10 that run.
 */
export async function beginOperation(
  sql: Sql,
  queue: Pick<TaskQueue, 'enqueue'>,
  viewer: Viewer,
  operation: NewOperation,
): Promise<BegunOperation> {
  // Those who begin operations of one project take turns, so that the count still holds at the commit.
  await sql.query(`select p.id from projects as p where p.id = $1::text for no key update`, [viewer.projectId])
  const [running] = await sql.query<{ count: number }>(runningText, [viewer.projectId])
  if (running === undefined || running.count >= maxRunning) {
    return { kind: 'limit-reached', limit: maxRunning, path: ['input'] }
  }
  const id = newId('opr')
  const [row] = await sql.query<OperationRow>(insertText, [
    id,
    viewer.projectId,
    viewer.keyId,
    operation.sourceIds,
    operation.kind,
    JSON.stringify(operation.input),
    JSON.stringify(operation.progress),
    operation.totalCount,
  ])
  if (row === undefined) throw new Error('the operation was not stored')
  await queue.enqueue(sql, runOperation, [runOperationFor(id)])
  return done(operationOf(row))
}

// Index: operations_running_index.
const runningText = `
  select count(*)::int as count
    from operations as o
   where o.project_id = $1::text
     and o.finished_at is null`

const insertText = `
  insert into operations as o (id, project_id, api_key_id, source_ids, kind, status, input, progress, total_count,
                               created_at, updated_at)
  values ($1::text, $2::text, $3::text, $4::text[], $5::text, 'running', $6::text, $7::text, $8::bigint, now(), now())
  returning ${operationColumns}`
