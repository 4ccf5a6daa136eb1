import type { Sql } from '../db/sql.ts'
import type { DeliveryId, EndpointId, ProjectId, SourceId } from '../kernel/ids.ts'
import type { TaskHandler, TaskRun } from '../queue/index.ts'
import type { DeliveryNotices } from './delivery-notices.ts'

/*
 * What is left of a source or an endpoint that was deleted, removed in small steps, each a transaction of its own: no
 * lock is held for long, and a step that is repeated finds nothing.
 */
export interface PurgeDeps {
  readonly sql: Sql
  readonly notices: DeliveryNotices
}

const stepRows = 1_000

/** Cancels the open deliveries of the source's messages and removes these, then its claims. */
export function createPurgeSource({ sql, notices }: PurgeDeps): TaskHandler<{ sourceId: SourceId }> {
  return async ({ sourceId }, run) => {
    await stepThrough(run, async () => {
      const [step] = await sql.query<MessageStep>(messagesText, [sourceId, stepRows])
      if (step?.project_id) notices.changed(step.project_id, step.canceled_ids)
      return step?.removed ?? 0
    })
    await stepThrough(run, async () => (await sql.query(claimsText, [sourceId, stepRows])).length)
  }
}

/** Cancels the endpoint's open deliveries; the finished ones stay. */
export function createPurgeEndpoint({ sql, notices }: PurgeDeps): TaskHandler<{ endpointId: EndpointId }> {
  return async ({ endpointId }, run) => {
    await stepThrough(run, async () => {
      const rows = await sql.query<{ id: DeliveryId; project_id: ProjectId }>(openText, [endpointId, stepRows])
      const [first] = rows
      if (first !== undefined) {
        const ids = rows.map((row) => row.id)
        notices.changed(first.project_id, ids)
      }
      return rows.length
    })
  }
}

/** @param step tells how many rows it found; fewer than a full step ends it. */
async function stepThrough(run: TaskRun, step: () => Promise<number>): Promise<void> {
  while ((await step()) === stepRows) {
    if (run.closing.aborted) return run.postpone()
  }
}

interface MessageStep {
  removed: number
  project_id: ProjectId | null
  canceled_ids: DeliveryId[]
}

// Indexes: messages_pkey, deliveries_message_id_endpoint_id_unique.
const messagesText = `
  with doomed as materialized (
    select m.source_id, m.sequence, m.id, m.project_id
      from messages as m
     where m.source_id = $1::text
     order by m.sequence
     limit $2::int
  ), open as materialized (
    select d.id
      from deliveries as d
     where d.message_id in (select m.id from doomed as m)
       and d.next_attempt_at is not null
     order by d.id
       for no key update
  ), canceled as (
    update deliveries as d
       set status = 'canceled', next_attempt_at = null, updated_at = now()
      from open as o
     where d.id = o.id
    returning d.id
  ), removed as (
    delete from messages as m
     using doomed as x
     where m.source_id = x.source_id
       and m.sequence = x.sequence
    returning m.id
  )
  select (select count(*)::int from removed) as removed,
         (select min(m.project_id) from doomed as m) as project_id,
         array(select c.id from canceled as c) as canceled_ids`

// Index: claims_pkey.
const claimsText = `
  delete from claims as c
   using (select x.source_id, x.key
            from claims as x
           where x.source_id = $1::text
           order by x.key
           limit $2::int) as doomed
   where c.source_id = doomed.source_id
     and c.key = doomed.key
  returning c.key`

// Index: deliveries_due_index.
const openText = `
  with open as materialized (
    select d.id
      from (select x.id
              from deliveries as x
             where x.endpoint_id = $1::text
               and x.next_attempt_at is not null
             order by x.next_attempt_at
             limit $2::int) as o
      join deliveries as d on d.id = o.id
     where d.next_attempt_at is not null
     order by d.id
       for no key update of d
  )
  update deliveries as d
     set status = 'canceled', next_attempt_at = null, updated_at = now()
    from open as o
   where d.id = o.id
  returning d.id, d.project_id`
