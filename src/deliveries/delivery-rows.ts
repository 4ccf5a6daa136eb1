import type { AttemptId, DeliveryId, EndpointId, MessageId, OperationId, ProjectId, SourceId } from '../kernel/ids.ts'
import type { AttemptFailure, AttemptResponse } from '../outbound/outbound.ts'
import type { Attempt, Delivery, DeliveryFilter, DeliveryStatus } from './delivery.ts'

/** The statements of the delivery store, and what their rows become. */
export interface DeliveryRow {
  id: DeliveryId
  project_id: ProjectId
  source_id: SourceId
  sequence: number
  message_id: MessageId
  endpoint_id: EndpointId
  operation_id: OperationId | null
  status: DeliveryStatus
  attempt_count: number
  next_attempt_at: Date | null
  created_at: Date
  updated_at: Date
}

export function deliveryOf(row: DeliveryRow): Delivery {
  return {
    id: row.id,
    projectId: row.project_id,
    sourceId: row.source_id,
    sequence: row.sequence,
    messageId: row.message_id,
    endpointId: row.endpoint_id,
    operationId: row.operation_id,
    status: row.status,
    attemptCount: row.attempt_count,
    nextAttemptAt: row.next_attempt_at,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

export interface AttemptRow {
  id: AttemptId
  delivery_id: DeliveryId
  number: number
  started_at: Date
  duration_ms: number | null
  status: number | null
  response_headers: string | null
  response_body: Buffer | null
  is_truncated: boolean | null
  announced_bytes: number | null
  failure: AttemptFailure | null
  failure_detail: string | null
}

export function attemptOf(row: AttemptRow): Attempt {
  return {
    id: row.id,
    deliveryId: row.delivery_id,
    number: row.number,
    startedAt: row.started_at,
    durationMs: row.duration_ms,
    response: responseOf(row),
    failure: row.failure,
    failureDetail: row.failure_detail,
  }
}

function responseOf(row: AttemptRow): AttemptResponse | null {
  if (row.status === null) return null
  return {
    status: row.status,
    headers: JSON.parse(row.response_headers ?? '[]'),
    body: row.response_body ?? Buffer.alloc(0),
    isTruncated: row.is_truncated ?? false,
    announcedBytes: row.announced_bytes,
  }
}

export const deliveryColumns = `
  d.id, d.project_id, d.source_id, d.sequence, d.message_id, d.endpoint_id, d.operation_id, d.status,
  d.attempt_count, d.next_attempt_at, d.created_at, d.updated_at`

// Index: deliveries_pkey.
export const byIdsText = `
  select ${deliveryColumns}
    from deliveries as d
   where d.id = any($2::text[])
     and d.project_id = $1::text`

/** $2 to $7 of a statement with a filter. */
export function filterValues({ endpointId, sourceIds, statuses, ids, createdAt }: DeliveryFilter): unknown[] {
  const { from = null, to = null } = createdAt ?? {}
  return [endpointId ?? null, sourceIds ?? null, statuses ?? null, ids ?? null, from, to]
}

/** What `filterValues` let through, but for the endpoint and the ids. */
export const filtered = `
       ($3::text[] is null or d.source_id = any($3::text[]))
   and ($4::text[] is null or d.status = any($4::text[]))
   and ($6::timestamptz is null or d.created_at >= $6::timestamptz)
   and ($7::timestamptz is null or d.created_at < $7::timestamptz)`

/** Which deliveries a page looks at; what else the filter says hides some of them. */
export type LookedAt = 'project' | 'endpoint' | 'dead-letters'

const lookedAt: Record<LookedAt, string> = {
  project: 'd.project_id = $1::text and $2::text is null',
  endpoint: 'd.project_id = $1::text and d.endpoint_id = $2::text',
  'dead-letters': `d.project_id = $1::text and d.status in ('failed', 'canceled')`,
}

/** Few among many: to look for them among all would show empty pages. */
const deadStatuses: ReadonlySet<DeliveryStatus> = new Set(['failed', 'canceled'])

export function lookedAtFor({ statuses, endpointId }: DeliveryFilter): LookedAt {
  if (statuses?.every((status) => deadStatuses.has(status))) return 'dead-letters'
  return endpointId === undefined ? 'project' : 'endpoint'
}

/**
 * One page. Ids rise with the time of creation and are unique, so that they are order and tie-breaker in one. The bound
 * on the rows looked at holds whatever the filter hides; the row of nulls that comes of an empty page still says how far
 * it looked. Indexes: deliveries_project_id_id_index, deliveries_endpoint_id_id_index, deliveries_dead_letters_index.
 */
export function pageText(order: 'newest-first' | 'oldest-first', among: LookedAt): string {
  const [comparison, direction] = order === 'newest-first' ? ['<', 'desc'] : ['>', 'asc']
  return `
  with looked as materialized (
    select ${deliveryColumns}
      from deliveries as d
     where ${lookedAt[among]}
       and ($5::text[] is null or d.id = any($5::text[]))
       and ($8::text is null or d.id ${comparison} $8::text)
     order by d.id ${direction}
     limit $10::int
  ), found as (
    select d.*
      from looked as d
     where ($2::text is null or d.endpoint_id = $2::text)
       and ${filtered}
     order by d.id ${direction}
     limit $9::int
  )
  select place.looked, place.looked_to_id, f.*
    from (select count(*)::int as looked, ${order === 'newest-first' ? 'min' : 'max'}(l.id) as looked_to_id
            from looked as l) as place
    left join found as f on true
   order by f.id ${direction}`
}

// A page per message in one statement. Index: deliveries_message_id_endpoint_id_operation_id_index; a message
// has as many deliveries as endpoints and replays, so that sorting them is cheap.
export const ofMessagesText = `
  select ${deliveryColumns}
    from unnest($2::text[], $3::text[]) as place (message_id, after_id)
   cross join lateral (
     select *
       from deliveries as x
      where x.message_id = place.message_id
        and x.project_id = $1::text
        and (place.after_id is null or x.id > place.after_id)
      order by x.id
      limit $4::int) as d
   order by d.message_id, d.id`

// A page per delivery in one statement. Index: attempts_delivery_id_id_index.
export const attemptsText = `
  select a.id, a.delivery_id, a.number, a.started_at, a.duration_ms, a.status, a.response_headers, a.response_body,
         a.is_truncated, a.announced_bytes, a.failure, a.failure_detail
    from unnest($1::text[], $2::text[]) as place (delivery_id, after_id)
   cross join lateral (
     select *
       from attempts as x
      where x.delivery_id = place.delivery_id
        and (place.after_id is null or x.id > place.after_id)
      order by x.id
      limit $3::int) as a
   order by a.delivery_id, a.id`
