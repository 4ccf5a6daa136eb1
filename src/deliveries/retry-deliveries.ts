import type { Viewer } from '../auth/viewer.ts'
import type { Sql } from '../db/sql.ts'
import { inTransaction } from '../db/transaction.ts'
import type { DeliveryId } from '../kernel/ids.ts'
import { type Issue, invalid } from '../kernel/outcome.ts'
import {
  type BegunOperation,
  beginOperation,
  type OperationAtWork,
  type OperationStep,
  runOperation,
  type StepTaker,
} from '../operations/index.ts'
import { issue } from '../projects/input-checks.ts'
import type { TaskQueue } from '../queue/index.ts'
import { announceWork } from './announce-work.ts'
import type { DeliveryFilter } from './delivery.ts'
import { checkDeliveryFilter, filterFor, type GivenDeliveryFilter } from './delivery-filter.ts'
import type { DeliveryNotices } from './delivery-notices.ts'
import { filtered, filterValues } from './delivery-rows.ts'
import { type DeliveryChangeDeps, isEndpointKept, isMessageKept } from './own-delivery.ts'
import { reopenDeliveries } from './reopen-deliveries.ts'

/*
 * Attempts again what a filter selects of the deliveries that had failed or been called off when it was asked for. First
 * they are counted, then attempted, both by walking once through the project's dead letters in the order of ids. What
 * fails again meanwhile has changed since it was asked for, so that nothing is taken twice.
 */
export interface RetryDeliveriesInput {
  readonly filter: GivenDeliveryFilter
}

const path = ['input', 'filter']

/** Dead letters that a step looks at; counting takes no locks. */
const stepRows = { counting: 20_000, retrying: 1_000 }

/** Where the walk stands: after the delivery of this id. */
interface Progress {
  readonly phase: 'counting' | 'retrying'
  readonly after: DeliveryId | null
  readonly counted: number
}

export async function retryDeliveries(
  deps: Pick<DeliveryChangeDeps, 'orm' | 'queue'>,
  viewer: Viewer,
  { filter: given }: RetryDeliveriesInput,
): Promise<BegunOperation> {
  const failure = invalid([...checkNotEmpty(given), ...checkDeliveryFilter(given, path)])
  if (failure !== null) return failure
  const filter = filterFor(viewer, given)
  const progress: Progress = { phase: 'counting', after: null, counted: 0 }
  const outcome = await inTransaction(deps.orm, ({ sql }) =>
    beginOperation(sql, deps.queue, viewer, {
      kind: 'retry-deliveries',
      sourceIds: filter.sourceIds ?? null,
      input: filter,
      progress,
      totalCount: null,
    }),
  )
  if (outcome.kind === 'done') deps.queue.wake(runOperation)
  return outcome
}

function checkNotEmpty(given: GivenDeliveryFilter): Issue[] {
  if (Object.values(given).some((value) => value !== null && value !== undefined)) return []
  return [issue('REQUIRED', path, 'Say which deliveries are meant.')]
}

export interface RetryStepDeps {
  readonly queue: Pick<TaskQueue, 'enqueue' | 'wake'>
  readonly notices: DeliveryNotices
}

export function createRetryStep(deps: RetryStepDeps): StepTaker {
  return async (sql, operation) => {
    const progress = operation.progress as Progress
    return progress.phase === 'counting'
      ? await countSome(sql, operation, progress)
      : await retrySome(deps, sql, operation, progress)
  }
}

async function countSome(sql: Sql, operation: OperationAtWork, progress: Progress): Promise<OperationStep> {
  const [page] = await sql.query<CountedRow>(countText, valuesOf(operation, progress))
  const { looked = 0, looked_to_id: after = null } = page ?? {}
  const counted = progress.counted + (page?.found ?? 0)
  const none = { kind: 'moved', done: 0, skipped: 0 } as const
  if (looked === stepRows.counting) return { ...none, progress: { phase: 'counting', after, counted } }
  const next: Progress = { phase: 'retrying', after: null, counted }
  return { ...none, progress: next, totalCount: counted }
}

async function retrySome(
  { queue, notices }: RetryStepDeps,
  sql: Sql,
  operation: OperationAtWork,
  progress: Progress,
): Promise<OperationStep> {
  const rows = await sql.query<FoundRow>(findText, valuesOf(operation, progress))
  const after = rows[0]?.looked_to_id ?? null
  if (after === null) return { kind: 'over' }
  const found = rows.map(({ id }) => id).filter((id) => id !== null)
  const fit = await sql.query<{ id: DeliveryId }>(lockText, [found, operation.id])
  const { work } = await reopenDeliveries(queue, sql, { ...operation, ids: fit.map(({ id }) => id) })
  const next: Progress = { ...progress, after }
  return {
    kind: 'moved',
    progress: next,
    done: found.length,
    skipped: found.length - fit.length,
    onCommitted: () => announceWork({ queue, notices }, work),
  }
}

interface CountedRow {
  looked: number
  looked_to_id: DeliveryId | null
  found: number
}

interface FoundRow {
  looked_to_id: DeliveryId | null
  /** Null when the filter let none of them through. */
  id: DeliveryId | null
}

function valuesOf({ projectId, input, id }: OperationAtWork, { after, phase }: Progress): unknown[] {
  return [projectId, ...filterValues(input as DeliveryFilter), after, id, stepRows[phase]]
}

/** Whether the delivery `d` has not changed since the operation was asked for; by the database's clock, to the µs. */
function isAsOfAsking(operationId: string): string {
  return `d.updated_at <= (select o.created_at from operations as o where o.id = ${operationId}::text)`
}

// Some of the project's dead letters by id, and those of them that are meant. Index: deliveries_dead_letters_index.
const deadLetters = `
  with looked as materialized (
    select d.id, d.endpoint_id, d.source_id, d.status, d.created_at, d.updated_at
      from deliveries as d
     where d.project_id = $1::text
       and d.status in ('failed', 'canceled')
       and ($5::text[] is null or d.id = any($5::text[]))
       and ($8::text is null or d.id > $8::text)
     order by d.id
     limit $10::int
  ), found as (
    select d.id
      from looked as d
     where ($2::text is null or d.endpoint_id = $2::text)
       and ${filtered}
       and ${isAsOfAsking('$9')}
  )`

const countText = `${deadLetters}
  select (select count(*)::int from looked) as looked, (select max(l.id) from looked as l) as looked_to_id,
         (select count(*)::int from found) as found`

const findText = `${deadLetters}
  select place.looked_to_id, f.id
    from (select max(l.id) as looked_to_id from looked as l) as place
    left join found as f on true`

// In order of key, like everywhere. Index: deliveries_pkey.
const lockText = `
  select d.id
    from deliveries as d
   where d.id = any($1::text[])
     and d.status in ('failed', 'canceled')
     and ${isAsOfAsking('$2')}
     and ${isMessageKept}
     and ${isEndpointKept}
   order by d.id
     for no key update of d`
