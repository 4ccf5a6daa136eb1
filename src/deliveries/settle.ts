import type { Sql } from '../db/sql.ts'
import type { AttemptId, DeliveryId, ProjectId } from '../kernel/ids.ts'
import type { AttemptOutcome } from '../outbound/outbound.ts'
import type { Decision } from './decide-next.ts'
import type { DeliveryStatus } from './delivery.ts'
import type { Lease, LockedRows } from './lease.ts'

/*
 * Writes what came of a batch of attempts, in one statement, which is one transaction and one round trip.
 *
 * Every outcome becomes an attempt. It decides about its delivery only if it passes the **fence**: the lease under which
 * it was made is still the endpoint's, and the delivery is open and has had as many attempts as it had when this one
 * began. An outcome that is stale decides nothing, with one exception: what a receiver has accepted is delivered,
 * whatever we decided meanwhile, be it another attempt, giving up or calling off; all else would be untrue.
 *
 * Locks are taken deliveries first, then states, both in order of key, like everywhere. The usual form skips rows that
 * someone holds, so that a batch of many endpoints never waits for one of them; what was skipped is settled by itself,
 * by the form that waits.
 */
export interface Settlement {
  readonly attemptId: AttemptId
  readonly deliveryId: DeliveryId
  readonly lease: Lease
  /** The number that the attempt has if it counts. */
  readonly attemptNumber: number
  readonly outcome: AttemptOutcome
  readonly decision: Decision
}

export interface Settled {
  readonly deliveryId: DeliveryId
  readonly projectId: ProjectId
  /** What the delivery became by this outcome; null when the outcome was stale and decided nothing. */
  readonly status: DeliveryStatus | null
  /** False: the lease is another's, so that nothing more can be decided under it. */
  readonly holdsLease: boolean
}

/** @returns in no order; without those whose rows were locked (`skip`) or are gone. */
export async function settle(
  sql: Sql,
  batch: readonly Settlement[],
  options: { readonly instanceId: string; readonly lockedRows: LockedRows },
): Promise<Settled[]> {
  const rows = await sql.query<SettledRow>(statements[options.lockedRows], [...columnsOf(batch), options.instanceId])
  return rows.map((row) => ({
    deliveryId: row.delivery_id,
    projectId: row.project_id,
    status: row.status,
    holdsLease: row.holds_lease,
  }))
}

interface SettledRow {
  delivery_id: DeliveryId
  project_id: ProjectId
  status: DeliveryStatus | null
  holds_lease: boolean
}

const statusOf = { delivered: 'delivered', retry: 'retrying', failed: 'failed' } as const satisfies Record<
  Decision['kind'],
  DeliveryStatus
>

function columnsOf(batch: readonly Settlement[]): unknown[] {
  const column = <Value>(value: (settlement: Settlement) => Value): Value[] => batch.map(value)
  return [
    column((s) => s.attemptId),
    column((s) => s.deliveryId),
    column((s) => s.lease.endpointId),
    column((s) => s.lease.number),
    column((s) => s.attemptNumber),
    column((s) => s.outcome.startedAt),
    column((s) => Math.round(s.outcome.durationMs)),
    column((s) => s.outcome.response?.status ?? null),
    column((s) => (s.outcome.response === null ? null : JSON.stringify(s.outcome.response.headers))),
    column((s) => s.outcome.response?.body ?? null),
    column((s) => s.outcome.response?.isTruncated ?? null),
    column((s) => s.outcome.response?.announcedBytes ?? null),
    column((s) => s.outcome.failure),
    column((s) => withoutNul(s.outcome.failureDetail)),
    column((s) => statusOf[s.decision.kind]),
    column((s) => (s.decision.kind === 'retry' ? s.decision.delayMs : null)),
  ]
}

// One NUL would fail the whole batch: PostgreSQL's text cannot hold it.
function withoutNul(text: string | null): string | null {
  return text?.replaceAll('\u0000', '\ufffd') ?? null
}

// Not prepared, like all that reads deliveries or messages by more than one key: a plan that was kept from the time when
// the tables were small reads them whole until they are analyzed (seen: a second for 500 outcomes). To plan takes less
// than a millisecond, for a whole batch.
const statements: Record<LockedRows, string> = {
  skip: settleText('skip locked', 'join'),
  wait: settleText('', 'left join'),
}

// Indexes: deliveries_pkey, endpoint_states_pkey.
function settleText(locking: string, stateJoin: string): string {
  return `
  with outcome as materialized (
    select *
      from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::int[], $6::timestamptz[], $7::int[],
                  $8::int[], $9::text[], $10::bytea[], $11::bool[], $12::bigint[], $13::text[], $14::text[],
                  $15::text[], $16::float8[])
        as o (attempt_id, delivery_id, endpoint_id, lease_number, number, started_at, duration_ms,
              response_status, response_headers, response_body, is_truncated, announced_bytes, failure, failure_detail,
              status, delay_ms)
  ), delivery as materialized (
    select d.id, d.project_id, d.status, d.attempt_count
      from deliveries as d
     where d.id = any($2::text[])
     order by d.id
       for no key update ${locking}
  ), state as materialized (
    select s.endpoint_id, s.lease_number, s.leased_by
      from endpoint_states as s
     where s.endpoint_id = any($3::text[])
       and (select count(*) from delivery) >= 0
     order by s.endpoint_id
       for no key update ${locking}
  ), judged as materialized (
    select o.*, d.project_id,
           coalesce(s.lease_number = o.lease_number and s.leased_by = $17::text, false) as holds_lease,
           d.status in ('pending', 'retrying') and d.attempt_count = o.number - 1 as is_next
      from outcome as o
      join delivery as d on d.id = o.delivery_id
      ${stateJoin} state as s on s.endpoint_id = o.endpoint_id
  ), recorded as (
    insert into attempts (id, delivery_id, number, started_at, duration_ms, status, response_headers, response_body,
                          is_truncated, announced_bytes, failure, failure_detail)
    select j.attempt_id, j.delivery_id, j.number, j.started_at, j.duration_ms, j.response_status, j.response_headers,
           j.response_body, j.is_truncated, j.announced_bytes, j.failure, j.failure_detail
      from judged as j
     order by j.attempt_id
        on conflict (id) do nothing
  ), decided as (
    update deliveries as d
       set status = j.status,
           attempt_count = greatest(d.attempt_count, j.number),
           next_attempt_at = now() + make_interval(secs => j.delay_ms / 1000),
           updated_at = now()
      from judged as j
     where d.id = j.delivery_id
       and (j.holds_lease and j.is_next or j.status = 'delivered' and d.status <> 'delivered')
    returning d.id, d.status
  )
  select j.delivery_id, j.project_id, d.status, j.holds_lease
    from judged as j
    left join decided as d on d.id = j.delivery_id`
}
