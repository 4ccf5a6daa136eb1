import type { Sql } from '../db/sql.ts'
import type { DeliveryId, EndpointId, ProjectId } from '../kernel/ids.ts'
import { isSystemSource } from '../sources/system-source.ts'
import { insertSystemEvents, systemEventType } from '../system-events/outbox.ts'
import type { EndpointStatus } from './endpoint.entity.ts'

/*
 * Whether an endpoint gets deliveries now. Three things hold them back, each for itself; while one does they wait, and use
 * up no attempts:
 *
 *   status    active ──pause──▶ paused          someone said so
 *                │ └──410, or too long failing──▶ disabled
 *                └◀──resume── (from either; everything below begins afresh)
 *
 *   throttle  throttled_until: its own answers (429, 502, 503, 504) asked for a pause
 *
 *   breaker   closed ──10 failures in a row, the last an outage──▶ open
 *                ▲                                                  │ next_probe_at passes
 *                │                                                  ▼
 *                └──── somebody answers ──── half-open: one attempt ──outage──▶ open, for twice as long
 *
 * Half-open is not stored: an open breaker is half-open once its next probe may go. An **outage** is no answer at all, or
 * one that tells of the server's own troubles; see `isOutage`. All of it is written where outcomes are settled.
 */
export type BreakerState = 'closed' | 'open' | 'half-open'

export interface EndpointState {
  readonly status: EndpointStatus
  /** For people; null unless it is disabled. */
  readonly disabledReason: string | null
  /** Failed attempts since the last success. */
  readonly consecutiveFailureCount: number
  /** When the first of them began. */
  readonly failingSince: Date | null
  readonly breaker: BreakerState
  /** Null unless the breaker is open. */
  readonly nextProbeAt: Date | null
  /** Null when it is not held back by its own answers. */
  readonly throttledUntil: Date | null
}

/** Of an endpoint that was deleted while it was being shown. */
export const unknownState: EndpointState = {
  status: 'disabled',
  disabledReason: 'It was deleted.',
  consecutiveFailureCount: 0,
  failingSince: null,
  breaker: 'closed',
  nextProbeAt: null,
  throttledUntil: null,
}

/**
 * SQL: whether an endpoint may be sent to. The only place that says so.
 *
 * @param state the name that a row of `endpoint_states` has in the query.
 */
export function maySendTo(state: string, clock: 'now()' | 'clock_timestamp()' = 'now()'): string {
  return `(${state}.status = 'active'
    and (${state}.throttled_until is null or ${state}.throttled_until <= ${clock})
    and (${state}.breaker = 'closed' or ${state}.next_probe_at <= ${clock}))`
}

/** In one statement; deleted endpoints are left out. */
export async function readStates(sql: Sql, ids: readonly EndpointId[]): Promise<Map<EndpointId, EndpointState>> {
  const rows = await sql.query<EndpointState & { id: EndpointId }>(statesText, [ids])
  return new Map(rows.map(({ id, ...state }) => [id, state]))
}

/** Lets its deliveries wait. One that is disabled stays so, with its reason. */
export async function pause(sql: Sql, id: EndpointId): Promise<void> {
  await sql.query(`update endpoint_states set status = 'paused' where endpoint_id = $1::text and status = 'active'`, [
    id,
  ])
}

/** Begins afresh: what was found out about the endpoint before counts no more, nor do attempts that began before. */
export async function resume(sql: Sql, id: EndpointId): Promise<void> {
  await sql.query(resumeText, [id])
}

/**
 * Disables an endpoint by what an attempt found out, in a transaction of its own, and tells of it.
 *
 * @param begunAt when the attempt began: an endpoint that was resumed since stays as it is.
 * @returns its project; null when nothing changed.
 */
export async function disable(
  sql: Sql,
  {
    id,
    reason,
    begunAt,
    deliveryId,
  }: { readonly id: EndpointId; readonly reason: string; readonly begunAt: Date; readonly deliveryId: DeliveryId },
): Promise<ProjectId | null> {
  const [row] = await sql.query<{ projectId: ProjectId }>(disableText, [id, reason, begunAt, deliveryId])
  return row?.projectId ?? null
}

// Index: endpoint_states_pkey.
const statesText = `
  select s.endpoint_id as id, s.status, s.disabled_reason as "disabledReason",
         s.consecutive_failures as "consecutiveFailureCount", s.failing_since as "failingSince",
         case when s.breaker = 'open' and s.next_probe_at <= now() then 'half-open' else s.breaker end as breaker,
         case when s.breaker = 'open' and s.next_probe_at > now() then s.next_probe_at end as "nextProbeAt",
         case when s.throttled_until > now() then s.throttled_until end as "throttledUntil"
    from endpoint_states as s
   where s.endpoint_id = any($1::text[])`

// Where nobody holds the lease its end is a rest, which is over as well. The clock and not now(): what ended while we
// waited for the row began before. In milliseconds, as the times of attempts are.
const resumeText = `
  update endpoint_states
     set status = 'active',
         disabled_reason = null,
         active_since = date_trunc('milliseconds', clock_timestamp()),
         consecutive_failures = 0,
         failing_since = null,
         breaker = 'closed',
         probe_failures = 0,
         next_probe_at = null,
         throttled_until = null,
         lease_expires_at = case when leased_by is not null then lease_expires_at end
   where endpoint_id = $1::text`

// Indexes: endpoint_states_pkey, deliveries_pkey.
const disableText = `
  with disabled as (
    update endpoint_states as s
       set status = 'disabled', disabled_reason = $2::text
     where s.endpoint_id = $1::text
       and s.status = 'active'
       and (s.active_since is null or s.active_since <= $3::timestamptz)
    returning s.endpoint_id, s.project_id, s.disabled_reason, s.consecutive_failures
  ), told as (
    ${insertSystemEvents(
      `select s.project_id, ${systemEventType('hookline.endpoint.disabled')} as type, s.endpoint_id as subject,
              json_build_object('endpointId', s.endpoint_id, 'reason', s.disabled_reason,
                                'consecutiveFailureCount', s.consecutive_failures, 'deliveryId', $4::text) as data
         from disabled as s
        where not exists (select from deliveries as d where d.id = $4::text and ${isSystemSource('d.source_id')})`,
    )}
  )
  select s.project_id as "projectId" from disabled as s`
