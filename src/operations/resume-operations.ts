import type { Sql } from '../db/sql.ts'
import type { OperationId } from '../kernel/ids.ts'
import type { TaskQueue } from '../queue/index.ts'
import { runOperation, runOperationFor } from './run-operation.task.ts'

/** A step takes a second or so: what has had none for this long has nobody at work on it. */
const idleSeconds = 60
const maxResumed = 1_000
/** So long a finished operation can be looked up. */
const keptDays = 30

/** Leaves tasks for operations that run but have none. @returns how many. */
export async function resumeOperations({
  sql,
  queue,
}: {
  readonly sql: Sql
  readonly queue: Pick<TaskQueue, 'enqueue' | 'wake'>
}): Promise<number> {
  const rows = await sql.query<{ id: OperationId }>(idleText, [idleSeconds, maxResumed])
  await queue.enqueue(
    sql,
    runOperation,
    rows.map(({ id }) => runOperationFor(id)),
  )
  if (rows.length > 0) queue.wake(runOperation)
  return rows.length
}

/** Removes operations that ended 30 days ago or longer. @returns how many; `limit` at most. */
export async function removeOldOperations(sql: Sql, limit: number): Promise<number> {
  return (await sql.query(removeText, [keptDays, limit])).length
}

// In the order in which tasks are left everywhere. Index: operations_running_index.
const idleText = `
  select o.id
    from operations as o
   where o.finished_at is null
     and o.updated_at < now() - make_interval(secs => $1::int)
   order by o.id
   limit $2::int`

const removeText = `
  with doomed as materialized (
    select o.id
      from operations as o
     where o.finished_at < now() - make_interval(days => $1::int)
     limit $2::int
       for update skip locked
  )
  delete from operations as o
   using doomed as d
   where o.id = d.id
  returning o.id`
