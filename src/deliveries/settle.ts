import type { Sql } from '../db/sql.ts'
import { maySendTo } from '../endpoints/endpoint-state.ts'
import type { AttemptId, DeliveryId, ProjectId } from '../kernel/ids.ts'
import { registeredTypeOfDelivery } from '../messages/registered-type.ts'
import type { AttemptOutcome } from '../outbound/outbound.ts'
import { countHappened, happenedColumns, slotOf } from '../rollups/index.ts'
import { type Decision, isOutage } from './decide-next.ts'
import type { DeliveryStatus } from './delivery.ts'
import type { Lease, LockedRows } from './lease.ts'
import { tellOfBreakers, tellOfExhausted } from './settle-events.ts'

/*
 * Writes what came of a batch of attempts, in one statement, which is one transaction and one round trip.
 *
 * Every outcome becomes an attempt. It decides about its delivery only if it passes the **fence**: the lease under which
 * it was made is still the endpoint's, and the delivery is open and has had as many attempts as it had when this one
 * began. An outcome that is stale decides nothing, with one exception: what a receiver has accepted is delivered,
 * whatever we decided meanwhile, be it another attempt, giving up or calling off; all else would be untrue.
 *
 * What passes the fence also tells how the endpoint is doing (see endpoint-state.ts for what follows from it), unless the
 * attempt began before the endpoint was last resumed. What people want to know of it goes into the outbox of system events.
 *
 * What became of deliveries, and how long attempts took, is counted in the same statement.
 *
 * Locks are taken deliveries first, then states, then counts, each in order of key, like everywhere. The usual form skips
 * rows that someone holds, so that a batch of many endpoints never waits for one of them; what was skipped is settled by
 * itself, by the form that waits.
 */
export interface Settlement {
  readonly attemptId: AttemptId
  readonly deliveryId: DeliveryId
  readonly lease: Lease
  /** The number that the attempt has if it counts. */
  readonly attemptNumber: number
  readonly outcome: AttemptOutcome
  readonly decision: Decision
  /** It was let through by an open breaker, to see whether anybody answers. */
  readonly isProbe: boolean
}

export interface Settled {
  readonly deliveryId: DeliveryId
  readonly projectId: ProjectId
  /** What the delivery became by this outcome; null when the outcome was stale and decided nothing. */
  readonly status: DeliveryStatus | null
  /** False: the lease is another's, so that nothing more can be decided under it. */
  readonly holdsLease: boolean
  /** Whether the outcome told how the endpoint is doing. */
  readonly counts: boolean
  /** The endpoint after the batch. Of one that was deleted: as if it could be sent to. */
  readonly maySend: boolean
  readonly breaker: 'closed' | 'open'
  /** Before the batch. */
  readonly breakerBefore: 'closed' | 'open'
  readonly failingSince: Date | null
  /** Of the delivery's message, if it is registered and the outcome decided something; null otherwise. */
  readonly eventType: string | null
}

/**
 * @param sql for `skip`, which is prepared, of a keyed pool.
 * @returns in no order; without those whose rows were locked (`skip`) or are gone.
 */
export async function settle(
  sql: Sql,
  batch: readonly Settlement[],
  options: { readonly instanceId: string; readonly lockedRows: LockedRows },
): Promise<Settled[]> {
  const givenUp = batch.some(({ decision }) => decision.kind === 'failed') ? 'some' : 'none'
  const { text, name } = statements[options.lockedRows][givenUp]
  return await sql.query(text, [...columnsOf(batch), options.instanceId], name)
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
    column((s) => s.decision.throttleMs),
    column((s) => isOutage(s.outcome.response?.status ?? null)),
    column((s) => s.isProbe),
    column((s) => slotOf(Math.round(s.outcome.durationMs))),
  ]
}

// One NUL would fail the whole batch: PostgreSQL's text cannot hold it.
function withoutNul(text: string | null): string | null {
  return text?.replaceAll('\u0000', '\ufffd') ?? null
}

/** How many failures in a row open the breaker, if the last of them is an outage. */
const breakerFailures = 10
/** Seconds until the first probe, and at most. In between each failed probe doubles the wait. */
const probeSeconds = { first: 1, longest: 300 }

// What goes by the shared pool is not prepared, like all that reads deliveries or messages by more than one key: a plan
// that was kept from the time when the tables were small reads them whole until they are analyzed (seen: a second for 500
// outcomes). To plan this takes some milliseconds, several times as long as to settle one outcome. So the usual form is
// prepared, on a connection whose settings make the plan hold (`createKeyedPool`). Rows to be updated are compared with
// `any(array[…])`: an index serves such a comparison, but no hash or merge join, which would read the table whole.
const statements = {
  skip: { some: skipping('some'), none: skipping('none') },
  wait: { some: waiting('some'), none: waiting('none') },
} as const satisfies Record<LockedRows, Record<GivenUp, { text: string; name?: string | undefined }>>

type GivenUp = 'some' | 'none'

function skipping(givenUp: GivenUp) {
  return { name: `settle-${givenUp}`, text: settleText('skip locked', 'join', givenUp) }
}

function waiting(givenUp: GivenUp) {
  return { name: undefined, text: settleText('', 'left join', givenUp) }
}

// Indexes: deliveries_pkey, endpoint_states_pkey, messages_pkey, event_types_project_id_name_unique.
function settleText(locking: string, stateJoin: string, givenUp: GivenUp): string {
  return `
  with outcome as materialized (
    select *
      from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::int[], $6::timestamptz[], $7::int[],
                  $8::int[], $9::text[], $10::bytea[], $11::bool[], $12::bigint[], $13::text[], $14::text[],
                  $15::text[], $16::float8[], $17::float8[], $18::bool[], $19::bool[], $20::int[]) with ordinality
        as o (attempt_id, delivery_id, endpoint_id, lease_number, number, started_at, duration_ms,
              response_status, response_headers, response_body, is_truncated, announced_bytes, failure, failure_detail,
              status, delay_ms, throttle_ms, is_outage, is_probe, slot, place)
  ), delivery as materialized (
    select d.id, d.project_id, d.source_id, d.status, d.attempt_count
      from deliveries as d
     where d.id = any($2::text[])
     order by d.id
       for no key update ${locking}
  ), state as materialized (
    select s.endpoint_id, s.lease_number, s.leased_by, s.status, s.active_since, s.consecutive_failures,
           s.failing_since, s.breaker, s.probe_failures, s.next_probe_at, s.throttled_until
      from endpoint_states as s
     where s.endpoint_id = any($3::text[])
       and (select count(*) from delivery) >= 0
     order by s.endpoint_id
       for no key update ${locking}
  ), judged as materialized (
    select o.*, d.project_id, d.source_id, f.holds_lease, f.holds_lease and f.is_next as is_decisive,
           f.holds_lease and f.is_next and (s.active_since is null or o.started_at >= s.active_since) as counts
      from outcome as o
      join delivery as d on d.id = o.delivery_id
      ${stateJoin} state as s on s.endpoint_id = o.endpoint_id
     cross join lateral (
       select coalesce(s.lease_number = o.lease_number and s.leased_by = $21::text, false) as holds_lease,
              d.status in ('pending', 'retrying') and d.attempt_count = o.number - 1 as is_next) as f
  ), recorded as (
    insert into attempts (id, delivery_id, number, started_at, duration_ms, status, response_headers, response_body,
                          is_truncated, announced_bytes, failure, failure_detail)
    select j.attempt_id, j.delivery_id, j.number, j.started_at, j.duration_ms, j.response_status, j.response_headers,
           j.response_body, j.is_truncated, j.announced_bytes, j.failure, j.failure_detail
      from judged as j
     order by j.attempt_id
        on conflict (id) do nothing
    returning id
  ), decided as (
    update deliveries as d
       set status = j.status,
           attempt_count = greatest(d.attempt_count, j.number),
           next_attempt_at = now() + make_interval(secs => j.delay_ms / 1000),
           updated_at = now()
      from judged as j
     where d.id = any(array[j.delivery_id])
       and (j.is_decisive or j.status = 'delivered' and d.status <> 'delivered')
    returning d.id, d.project_id, d.source_id, d.endpoint_id, d.sequence, d.status, d.message_id, d.attempt_count
  ), typed as materialized (
    select d.*, t.id as event_type_id, t.name as event_type
      from decided as d
      left join lateral (${registeredTypeOfDelivery('d')}) as t on true
  ), happened as (
    select ${happenedColumns('d.project_id', {
      source_id: 'd.source_id',
      endpoint_id: 'd.endpoint_id',
      event_type_id: 'd.event_type_id',
      delivered: `(d.status = 'delivered')::int`,
      failed: `(d.status = 'failed')::int`,
      retried: `(d.status = 'retrying')::int`,
    })}
      from typed as d
    union all
    select ${happenedColumns('j.project_id', {
      source_id: 'j.source_id',
      endpoint_id: 'j.endpoint_id',
      attempts: '1',
      duration_ms: 'j.duration_ms',
      slot: 'j.slot',
    })}
      from judged as j
     -- Looked up by hash, whatever the planner expects: joined, each is compared with all.
     where (j.attempt_id in (select r.id from recorded as r)) is true
  ), ${countHappened('$21::text')}, observed as (
    select j.endpoint_id, j.started_at, j.throttle_ms, j.is_outage, j.is_probe,
           j.place > coalesce(max(j.place) filter (where j.status = 'delivered') over whole, 0) as is_since_success,
           max(j.place) filter (where j.status = 'delivered') over whole is not null as has_success,
           j.place = max(j.place) over whole as is_last
      from judged as j
     where j.counts
    window whole as (partition by j.endpoint_id)
  ), summed as (
    select o.endpoint_id,
           bool_or(o.has_success) as has_success,
           count(*) filter (where o.is_since_success) as failures,
           min(o.started_at) filter (where o.is_since_success) as failing_since,
           bool_or(o.is_last and o.is_outage) as ends_in_outage,
           bool_or(not o.is_outage) as is_alive,
           bool_or(o.is_probe) as has_probe,
           max(o.throttle_ms) as throttle_ms
      from observed as o
     group by o.endpoint_id
  ), counted as (
    select s.endpoint_id, s.status, s.breaker, s.probe_failures, s.next_probe_at, m.ends_in_outage, m.has_probe,
           s.failing_since as failing_before,
           -- Whoever answers to a probe, or to what was under way when the breaker opened, closes it.
           s.breaker = 'closed' or m.is_alive as was_closed,
           case when m.has_success then 0 else s.consecutive_failures end + m.failures as consecutive_failures,
           case when m.has_success then m.failing_since else coalesce(s.failing_since, m.failing_since) end as failing_since,
           greatest(s.throttled_until, now() + make_interval(secs => m.throttle_ms / 1000)) as throttled_until
      from state as s
      join summed as m on m.endpoint_id = s.endpoint_id
  ), next_state as materialized (
    select c.endpoint_id, c.status, c.consecutive_failures, c.failing_since, c.throttled_until, c.failing_before,
           c.breaker as breaker_before,
           case when c.was_closed and not d.is_down then 'closed' else 'open' end as breaker,
           case when c.was_closed then 0 else c.probe_failures + c.has_probe::int end as probe_failures,
           case when c.was_closed and not d.is_down then null
                when c.was_closed then now() + interval '${probeSeconds.first} s'
                when c.has_probe then now() + make_interval(secs => least(${probeSeconds.first} * 2 ^ least(c.probe_failures + 1, 20),
                                                                          ${probeSeconds.longest}))
                else c.next_probe_at
            end as next_probe_at
      from counted as c
     cross join lateral (
       select c.consecutive_failures >= ${breakerFailures} and c.ends_in_outage as is_down) as d
  ), kept as (
    update endpoint_states as s
       set consecutive_failures = n.consecutive_failures,
           failing_since = n.failing_since,
           breaker = n.breaker,
           probe_failures = n.probe_failures,
           next_probe_at = n.next_probe_at,
           throttled_until = n.throttled_until
      from next_state as n
     where s.endpoint_id = any(array[n.endpoint_id])
       and (s.consecutive_failures, s.failing_since, s.breaker, s.probe_failures, s.next_probe_at, s.throttled_until)
             is distinct from
           (n.consecutive_failures, n.failing_since, n.breaker, n.probe_failures, n.next_probe_at, n.throttled_until)
  ), told_breakers as (
    ${tellOfBreakers}
  )${givenUp === 'some' ? `, told_exhausted as (${tellOfExhausted})` : ''}
  select j.delivery_id as "deliveryId", j.project_id as "projectId", d.status, j.holds_lease as "holdsLease",
         j.counts, coalesce(case when n.endpoint_id is null then ${maySendTo('s')} else ${maySendTo('n')} end, true) as "maySend",
         coalesce(n.breaker, s.breaker, 'closed') as breaker, coalesce(s.breaker, 'closed') as "breakerBefore",
         case when n.endpoint_id is null then s.failing_since else n.failing_since end as "failingSince",
         d.event_type as "eventType"
    from judged as j
    left join typed as d on d.id = j.delivery_id
    left join state as s on s.endpoint_id = j.endpoint_id
    left join next_state as n on n.endpoint_id = j.endpoint_id`
}
