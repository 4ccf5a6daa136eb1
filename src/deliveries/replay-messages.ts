import { seesAllOf, seesSource, type Viewer } from '../auth/viewer.ts'
import type { Sql } from '../db/sql.ts'
import { inTransaction } from '../db/transaction.ts'
import { filterText } from '../endpoints/index.ts'
import { type EndpointId, isId, type SourceId } from '../kernel/ids.ts'
import { type Issue, invalid, type UserFailure } from '../kernel/outcome.ts'
import { isEmptyRange, type TimeRange } from '../kernel/time-range.ts'
import { checkMessageFilter, type MessageFilter } from '../messages/message-filter-input.ts'
import { type BegunOperation, beginOperation, runOperation } from '../operations/index.ts'
import { issue } from '../projects/input-checks.ts'
import type { DeliveryChangeDeps } from './own-delivery.ts'
import { beginReplay, type LogRange } from './replay-step.ts'

export interface ReplayMessagesInput {
  readonly endpointId: string
  /** Left out: all that the endpoint listens to. */
  readonly sourceId?: string | null | undefined
  readonly receivedAt?: TimeRange | null | undefined
  /** Included; needs `sourceId`. */
  readonly fromSequence?: number | null | undefined
  /** Included; needs `sourceId`. */
  readonly toSequence?: number | null | undefined
  readonly filter?: MessageFilter | null | undefined
  /** Whether messages that have a delivery for the endpoint already are left out. */
  readonly skipsExisting: boolean
}

/**
 * Sends stored messages to an endpoint once more, as an operation. It reaches as far as fan-out has come when it is asked
 * for. What follows comes to the endpoint by itself: every later step of fan-out knows the endpoint as it is now.
 */
export async function replayMessages(
  deps: Pick<DeliveryChangeDeps, 'orm' | 'queue'>,
  viewer: Viewer,
  input: ReplayMessagesInput,
): Promise<BegunOperation> {
  const malformed = invalid(checkInput(input))
  if (malformed !== null) return malformed
  const outcome = await inTransaction(deps.orm, async ({ sql }): Promise<BegunOperation> => {
    const aim = await findAim(sql, viewer, input)
    if (aim.kind !== 'aim') return aim
    const ranges = await readRanges(sql, viewer, { ...input, sourceIds: aim.sourceIds })
    if (ranges.length === 0 && input.sourceId) return notFound('sourceId', input.sourceId)
    const { endpointId, sourceIds } = aim
    const { receivedAt = null, skipsExisting } = input
    const filter = input.filter ? filterText(input.filter) : null
    const begin = beginReplay({ endpointId, filter, receivedAt, skipsExisting }, ranges)
    return await beginOperation(sql, deps.queue, viewer, { kind: 'replay-messages', sourceIds, ...begin })
  })
  if (outcome.kind === 'done') deps.queue.wake(runOperation)
  return outcome
}

function checkInput({ receivedAt, fromSequence, toSequence, sourceId, filter }: ReplayMessagesInput): Issue[] {
  const issues: Issue[] = []
  const range = { fromSequence, toSequence }
  for (const [name, sequence] of Object.entries(range)) {
    if (sequence === null || sequence === undefined) continue
    if (sequence < 1) issues.push(issue('OUT_OF_RANGE', ['input', name], 'Sequences begin with 1.'))
    if (!sourceId) issues.push(issue('REQUIRED', ['input', 'sourceId'], `\`${name}\` needs the source that it is of.`))
  }
  if (fromSequence && toSequence && fromSequence > toSequence) {
    issues.push(issue('OUT_OF_RANGE', ['input', 'toSequence'], '`toSequence` comes before `fromSequence`.'))
  }
  if (receivedAt && isEmptyRange(receivedAt)) {
    issues.push(issue('OUT_OF_RANGE', ['input', 'receivedAt'], 'The span is empty: `from` has to be before `to`.'))
  }
  return [...issues, ...(filter ? checkMessageFilter(filter, ['input', 'filter']) : [])]
}

interface Aim {
  readonly kind: 'aim'
  readonly endpointId: EndpointId
  /** The sources that it is about; null when all of the project. */
  readonly sourceIds: readonly SourceId[] | null
}

async function findAim(sql: Sql, viewer: Viewer, input: ReplayMessagesInput): Promise<Aim | UserFailure> {
  const { endpointId, sourceId } = input
  if (!isId('ept', endpointId)) return notFound('endpointId', endpointId)
  const [endpoint] = await sql.query<EndpointRow>(endpointText, [endpointId, viewer.projectId])
  if (endpoint === undefined || !seesAllOf(viewer, endpoint.source_ids)) return notFound('endpointId', endpointId)
  if (sourceId === null || sourceId === undefined) return { kind: 'aim', endpointId, sourceIds: endpoint.source_ids }
  if (!isId('src', sourceId) || !seesSource(viewer, sourceId)) return notFound('sourceId', sourceId)
  const [source] = await sql.query<SourceRow>(sourceText, [sourceId, viewer.projectId])
  if (source === undefined) return notFound('sourceId', sourceId)
  if (endpoint.source_ids?.includes(sourceId) ?? !source.is_system) {
    return { kind: 'aim', endpointId, sourceIds: [sourceId] }
  }
  const message = 'The endpoint does not listen to this source: it would get none of its messages.'
  return { kind: 'invalid', issues: [issue('OUT_OF_RANGE', ['input', 'sourceId'], message)] }
}

function notFound(field: 'endpointId' | 'sourceId', id: string): UserFailure {
  return { kind: 'not-found', id, path: ['input', field] }
}

interface EndpointRow {
  source_ids: SourceId[] | null
}

interface SourceRow {
  is_system: boolean
}

const sourceText = `
  select s.is_system
    from sources as s
   where s.id = $1::text
     and s.project_id = $2::text`

const endpointText = `
  select e.source_ids
    from endpoints as e
   where e.id = $1::text
     and e.project_id = $2::text`

/**
 * What is kept and fanned out of each source. A step of fan-out that is under way may have begun before the endpoint was
 * there: the lock waits for its end, and what it moves the mark over is included.
 */
async function readRanges(
  sql: Sql,
  { projectId }: Viewer,
  {
    sourceIds,
    fromSequence,
    toSequence,
  }: Pick<ReplayMessagesInput, 'fromSequence' | 'toSequence'> & Pick<Aim, 'sourceIds'>,
): Promise<LogRange[]> {
  return await sql.query(rangesText, [projectId, sourceIds, fromSequence ?? null, toSequence ?? null])
}

// In order of key, like everywhere. `greatest` and `least` pass over null.
// Indexes: sources_project_id_name_unique or sources_pkey, fan_out_marks_pkey, source_heads_pkey.
const rangesText = `
  select m.source_id as "sourceId", greatest(h.first_sequence, $3::bigint) - 1 as "after",
         least(m.fanned_out_to, $4::bigint) as "upTo"
    from sources as s
    join source_heads as h on h.source_id = s.id
    join fan_out_marks as m on m.source_id = s.id
   where s.project_id = $1::text
     and case when $2::text[] is null then not s.is_system else s.id = any($2::text[]) end
   order by m.source_id
     for share of m`
