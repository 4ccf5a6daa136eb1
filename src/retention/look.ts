import type { Sql } from '../db/sql.ts'
import type { SourceId } from '../kernel/ids.ts'
import type { TaskQueue } from '../queue/index.ts'
import { retainTask } from './retain.task.ts'
import { keepsMessage, ruleLateral } from './rule.ts'

export interface LookDeps {
  readonly sql: Sql
  readonly queue: Pick<TaskQueue, 'enqueue' | 'wake'>
}

/**
 * Leaves a task for each source that keeps more than its rule allows.
 *
 * @param defaultMaxAgeHours where neither source nor project has a rule; null: unlimited.
 * @returns how many there are, 1,000 at most.
 */
export async function leaveRetention(deps: LookDeps, defaultMaxAgeHours: number | null): Promise<number> {
  return await leaveTasks(deps, await deps.sql.query(exceededText, [defaultMaxAgeHours]))
}

/** Leaves a task for each source that has not dropped all below its floor: one may have been lost. */
export async function resumeRetention(deps: LookDeps): Promise<number> {
  return await leaveTasks(deps, await deps.sql.query(remainderText))
}

async function leaveTasks({ sql, queue }: LookDeps, rows: readonly { sourceId: SourceId }[]): Promise<number> {
  // In one order everywhere: whoever inserts a task waits for those who insert the same one.
  const sourceIds = rows.map((row) => row.sourceId).sort()
  const tasks = sourceIds.map((sourceId) => ({ payload: { sourceId }, singletonKey: sourceId }))
  if (tasks.length === 0) return 0
  await queue.enqueue(sql, retainTask, tasks)
  queue.wake(retainTask)
  return tasks.length
}

// The earliest message of each source says it all: one look into the index per source, whatever the length of the log.
// Where there are too many sources, those whose messages are the oldest come first, so that each has its turn. The limit inside keeps the planner from reading all messages at once. Index: messages_pkey.
const exceededText = `
  select h.source_id as "sourceId"
    from source_heads as h
    join fan_out_marks as k on k.source_id = h.source_id
    left join sources as s on s.id = h.source_id
    left join projects as p on p.id = h.project_id
${ruleLateral('$1::bigint')}
   cross join lateral (
     select m.received_at
       from messages as m
      where m.source_id = h.source_id
        and m.sequence = h.first_sequence
        and not (${keepsMessage})
      limit 1) as surplus
   where k.fanned_out_to >= h.first_sequence
     and num_nonnulls(r.max_messages, r.max_bytes, r.max_age_hours) > 0
   order by surplus.received_at, h.source_id
   limit 1000`

// The order, too, is for the planner: with it the index is the cheapest way even where it expects to find something soon.
// Index: messages_pkey.
const remainderText = `
  select h.source_id as "sourceId"
    from source_heads as h
   cross join lateral (
     select
       from messages as m
      where m.source_id = h.source_id
        and m.sequence < h.first_sequence
      order by m.sequence
      limit 1) as remainder
   order by h.source_id
   limit 1000`
