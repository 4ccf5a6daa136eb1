import type { Sql } from '../db/sql.ts'
import type { DeliveryId, EndpointId, ProjectId, SourceId } from '../kernel/ids.ts'
import type { TaskHandler, TaskRun } from '../queue/index.ts'
import { removeRefusals } from '../refusals/index.ts'
import { dropMessages } from '../retention/index.ts'
import { removeRollupsOf } from '../rollups/index.ts'
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

/** Cancels the open deliveries of the source's messages and removes these, then its claims, refusals and rollups. */
export function createPurgeSource({ sql, notices }: PurgeDeps): TaskHandler<{ sourceId: SourceId }> {
  return async ({ sourceId }, run) => {
    let after = 0
    await stepThrough(run, async () => {
      const step = await dropMessages(sql, { sourceId, after, below: null, status: 'canceled' })
      if (step === null) return 0
      notices.changed(step.projectId, step.deliveryIds)
      after = step.lastSequence
      return step.count
    })
    await stepThrough(run, async () => (await sql.query(claimsText, [sourceId, stepRows])).length)
    await stepThrough(run, () => removeRefusals(sql, sourceId, stepRows))
    await stepThrough(run, () => removeRollupsOf(sql, sourceId, stepRows))
  }
}

/** Cancels the endpoint's open deliveries, and removes its rollups; the finished ones stay. */
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
    await stepThrough(run, () => removeRollupsOf(sql, endpointId, stepRows))
  }
}

/** @param step tells how many rows it found; none ends it. */
async function stepThrough(run: TaskRun, step: () => Promise<number>): Promise<void> {
  while ((await step()) > 0) {
    if (run.closing.aborted) return run.postpone()
  }
}

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
