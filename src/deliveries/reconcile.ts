import type { Sql } from '../db/sql.ts'
import { purgeEndpoint } from '../endpoints/purge-endpoint.task.ts'
import type { EndpointId, SourceId } from '../kernel/ids.ts'
import type { Logger } from '../kernel/log.ts'
import { fanOutTask } from '../messages/fan-out.task.ts'
import { removeOldOperations, resumeOperations } from '../operations/index.ts'
import type { TaskHandler, TaskQueue } from '../queue/index.ts'
import { resumeRetention } from '../retention/index.ts'
import { foldFreshCounts, removeOldRollups } from '../rollups/index.ts'
import { purgeSource } from '../sources/purge-source.task.ts'
import { removeExpiredTickets } from '../streams/index.ts'
import { promoteDue } from './promote.ts'
import { removeOutlived } from './remove-outlived.ts'

/*
 * About once a minute: tasks for work that has none (a task can be lost with a restored backup or by a bug, its work
 * cannot), and rows that have had their time. Everything here may run twice or be cut short without harm.
 */
export interface ReconcileDeps {
  readonly sql: Sql
  readonly queue: Pick<TaskQueue, 'enqueue' | 'wake'>
  readonly log: Logger
}

const stepRows = 1_000
/** A backlog beyond this is left for the next time. */
const maxSteps = 200

export function createReconcile(deps: ReconcileDeps): TaskHandler<object> {
  return async (_payload, run) => {
    const found = {
      due: (await promoteDue(deps)).length,
      behind: await resumeFanOut(deps),
      sources: await resumePurgeOfSources(deps),
      endpoints: await resumePurgeOfEndpoints(deps),
      remainders: await resumeRetention(deps),
      operations: await resumeOperations(deps),
    }
    const claims = await inSteps(run.closing, async () => (await deps.sql.query(claimsText, [stepRows])).length)
    const tickets = await inSteps(run.closing, () => removeExpiredTickets(deps.sql, stepRows))
    const operations = await inSteps(run.closing, () => removeOldOperations(deps.sql, stepRows))
    const counts = await inSteps(run.closing, () => foldFreshCounts(deps.sql, stepRows))
    const rollups = await inSteps(run.closing, () => removeOldRollups(deps.sql, stepRows))
    const deliveries = await removeOutlived(deps.sql, run.closing)
    deps.log.debug({ ...found, claims, tickets, forgotten: operations, counts, rollups, deliveries }, 'reconciled')
  }
}

async function resumeFanOut({ sql, queue }: ReconcileDeps): Promise<number> {
  const rows = await sql.query<{ sourceId: SourceId }>(behindText)
  const tasks = rows.map(({ sourceId }) => ({ payload: { sourceId }, singletonKey: sourceId }))
  await queue.enqueue(sql, fanOutTask, tasks)
  if (tasks.length > 0) queue.wake(fanOutTask)
  return tasks.length
}

async function resumePurgeOfSources({ sql, queue }: ReconcileDeps): Promise<number> {
  const rows = await sql.query<{ sourceId: SourceId }>(goneSourcesText)
  const tasks = rows.map(({ sourceId }) => ({ payload: { sourceId }, singletonKey: sourceId }))
  await queue.enqueue(sql, purgeSource, tasks)
  return tasks.length
}

async function resumePurgeOfEndpoints({ sql, queue }: ReconcileDeps): Promise<number> {
  const rows = await sql.query<{ endpointId: EndpointId }>(goneEndpointsText)
  const tasks = rows.map(({ endpointId }) => ({ payload: { endpointId }, singletonKey: endpointId }))
  await queue.enqueue(sql, purgeEndpoint, tasks)
  return tasks.length
}

/**
 * @param remove removes `stepRows` at most, and tells how many there were.
 * @returns how many there were in all.
 */
async function inSteps(closing: AbortSignal, remove: () => Promise<number>): Promise<number> {
  let total = 0
  for (let step = 0; step < maxSteps && !closing.aborted; step += 1) {
    const count = await remove()
    total += count
    if (count < stepRows) break
  }
  return total
}

// Every source that is behind, busy ones included: a second task costs them next to nothing. Bounded by the sources.
const behindText = `
  select h.source_id as "sourceId"
    from source_heads as h
    join fan_out_marks as m on m.source_id = h.source_id
   where m.fanned_out_to < h.last_sequence
   order by h.source_id
   limit 1000`

// Steps from source to source through the index instead of over all messages. Index: messages_pkey.
const goneSourcesText = `
  with recursive source (id) as (
    (select m.source_id from messages as m order by m.source_id limit 1)
    union all
    select (select m.source_id from messages as m where m.source_id > s.id order by m.source_id limit 1)
      from source as s
     where s.id is not null
  )
  select s.id as "sourceId"
    from source as s
   where s.id is not null
     and not exists (select from source_heads as h where h.source_id = s.id)
   limit 1000`

// Likewise over the endpoints that have open deliveries. Index: deliveries_due_index.
const goneEndpointsText = `
  with recursive endpoint (id) as (
    (select d.endpoint_id from deliveries as d where d.next_attempt_at is not null order by d.endpoint_id limit 1)
    union all
    select (select d.endpoint_id
              from deliveries as d
             where d.next_attempt_at is not null
               and d.endpoint_id > e.id
             order by d.endpoint_id
             limit 1)
      from endpoint as e
     where e.id is not null
  )
  select e.id as "endpointId"
    from endpoint as e
   where e.id is not null
     and not exists (select from endpoint_states as s where s.endpoint_id = e.id)
   limit 1000`

// A claim that the recorder is renewing just now is locked, and stays. Index: claims_expires_at_index.
const claimsText = `
  with expired as materialized (
    select c.source_id, c.key
      from claims as c
     where c.expires_at < now()
     order by c.expires_at
     limit $1::int
       for update skip locked
  )
  delete from claims as c
   using expired as e
   where c.source_id = e.source_id
     and c.key = e.key
  returning c.key`
