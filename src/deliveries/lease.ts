import type { Sql } from '../db/sql.ts'
import { maySendTo } from '../endpoints/endpoint-state.ts'
import type { EndpointId } from '../kernel/ids.ts'
import { hasWork } from './sendable.ts'

/*
 * Who may send to an endpoint. A row of `endpoint_states` per endpoint:
 *
 *   free ──take (number + 1)──▶ held ──let go──▶ free
 *                                 └──expires───▶ free (its holder died, or lost the database)
 *
 * Nobody takes the lease of an endpoint that is held back: whoever comes later finds it when it may be sent to again.
 *
 * The holder renews well before the end, and stops sending by its own clock when it could not. What it settles later
 * is fenced by the number, which rises with each holder.
 */
export interface Lease {
  readonly endpointId: EndpointId
  readonly number: number
}

/** What to do about rows that someone else has locked. */
export type LockedRows = 'skip' | 'wait'

/** A crash costs its endpoints about this long. */
export const leaseMs = 15_000
/** Several chances to renew before the end. */
export const renewIntervalMs = 4_000

export interface TakenLease extends Lease {
  /** What the last holder left of its pace. */
  readonly rateLog: string | null
  /** By the database's clock. */
  readonly takenAtMs: number
  /** The breaker is half-open: one attempt may go, to see whether somebody answers. */
  readonly isProbing: boolean
}

/** What a holder leaves behind. */
export interface LettingGo {
  readonly instanceId: string
  readonly rateLog: string | null
}

/** @returns null when someone else holds it, the endpoint is held back, or it is gone. */
export async function takeLease(sql: Sql, endpointId: EndpointId, instanceId: string): Promise<TakenLease | null> {
  const rows = await sql.query<Omit<TakenLease, 'endpointId'>>(
    takeText,
    [endpointId, instanceId, leaseMs],
    'lease-take',
  )
  const [row] = rows
  return row === undefined ? null : { endpointId, ...row }
}

/**
 * @param lockedRows `skip`: a row that is locked just now is left out, so that none delays the others.
 * @returns the endpoints whose lease was renewed.
 */
export async function renewLeases(
  sql: Sql,
  leases: readonly Lease[],
  options: { readonly instanceId: string; readonly lockedRows: LockedRows },
): Promise<EndpointId[]> {
  const { instanceId, lockedRows } = options
  const values = [leases.map((lease) => lease.endpointId), leases.map((lease) => lease.number), instanceId, leaseMs]
  const text = renewText(lockedRows === 'skip' ? 'skip locked' : '')
  const rows = await sql.query<{ endpoint_id: EndpointId }>(text, values, `lease-renew-${lockedRows}`)
  return rows.map((row) => row.endpoint_id)
}

/**
 * Lets go if nothing is to be sent now, within a transaction: whoever adds due work locks the same row before it commits,
 * so that it is either seen here or finds the lease free.
 *
 * @returns `due`: nothing was changed, go on; `lost`: someone else holds the lease by now.
 */
export async function letGoIfIdle(
  sql: Sql,
  lease: Lease,
  { instanceId, rateLog }: LettingGo,
): Promise<'free' | 'due' | 'lost'> {
  const values = [lease.endpointId, lease.number, instanceId]
  const held = await sql.query(lockText, values, 'lease-lock')
  if (held.length === 0) return 'lost'
  const released = await sql.query(releaseIfIdleText, [lease.endpointId, rateLog])
  return released.length === 1 ? 'free' : 'due'
}

/** Lets go in any case; with a delay nobody else takes the lease before it is over. */
export async function letGo(
  sql: Sql,
  lease: Lease,
  { instanceId, rateLog, delayMs = 0 }: LettingGo & { readonly delayMs?: number },
): Promise<void> {
  await sql.query(releaseText, [lease.endpointId, lease.number, instanceId, rateLog, delayMs])
}

/** Frees every endpoint. For a start that knows to be alone: whoever holds a lease then has died. */
export async function releaseAllLeases(sql: Sql): Promise<void> {
  await sql.query(
    `update endpoint_states set leased_by = null, lease_expires_at = null where lease_expires_at is not null`,
  )
}

// Waits for a transaction that has just added work, so that what is read afterwards includes it.
const takeText = `
  update endpoint_states as s
     set lease_number = s.lease_number + 1,
         leased_by = $2::text,
         lease_expires_at = now() + make_interval(secs => $3::float8 / 1000)
   where s.endpoint_id = $1::text
     and (s.lease_expires_at is null or s.lease_expires_at <= now())
     and ${maySendTo('s')}
  returning s.lease_number as number, s.rate_log as "rateLog", s.breaker = 'open' as "isProbing",
            extract(epoch from clock_timestamp())::float8 * 1000 as "takenAtMs"`

// Locks in order of key, like all that lock several of these rows.
const renewText = (locking: string) => `
  with held as materialized (
    select s.endpoint_id
      from endpoint_states as s
      join unnest($1::text[], $2::bigint[]) as l (endpoint_id, number)
        on l.endpoint_id = s.endpoint_id
       and l.number = s.lease_number
     where s.leased_by = $3::text
     order by s.endpoint_id
       for no key update of s ${locking}
  )
  update endpoint_states as s
     set lease_expires_at = now() + make_interval(secs => $4::float8 / 1000)
    from held as h
   where s.endpoint_id = h.endpoint_id
  returning s.endpoint_id`

const lockText = `
  select s.endpoint_id
    from endpoint_states as s
   where s.endpoint_id = $1::text
     and s.lease_number = $2::bigint
     and s.leased_by = $3::text
     for no key update`

// The clock and not now(): work that was committed while we waited for the lock may be younger than our transaction.
const releaseIfIdleText = `
  update endpoint_states as s
     set leased_by = null, lease_expires_at = null, rate_log = $2::text
   where s.endpoint_id = $1::text
     and not ${hasWork('s', 'clock_timestamp()')}
  returning s.endpoint_id`

const releaseText = `
  update endpoint_states
     set leased_by = null,
         lease_expires_at = case when $5::float8 > 0 then now() + make_interval(secs => $5::float8 / 1000) end,
         rate_log = $4::text
   where endpoint_id = $1::text
     and lease_number = $2::bigint
     and leased_by = $3::text`
