import type { Sql } from '../db/sql.ts'
import type { EndpointId } from '../kernel/ids.ts'

/*
 * Who may send to an endpoint. A row of `endpoint_states` per endpoint:
 *
 *   free ──take (number + 1)──▶ held ──let go──▶ free
 *                                 └──expires───▶ free (its holder died, or lost the database)
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

/** @returns null when someone else holds it, or the endpoint is gone. */
export async function takeLease(sql: Sql, endpointId: EndpointId, instanceId: string): Promise<Lease | null> {
  const rows = await sql.query<{ number: number }>(takeText, [endpointId, instanceId, leaseMs], 'lease-take')
  const [row] = rows
  return row === undefined ? null : { endpointId, number: row.number }
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
 * Lets go if nothing is due, within a transaction: whoever adds due work locks the same row before it commits, so that
 * it is either seen here or finds the lease free.
 *
 * @returns `due`: nothing was changed, go on; `lost`: someone else holds the lease by now.
 */
export async function letGoIfIdle(sql: Sql, lease: Lease, instanceId: string): Promise<'free' | 'due' | 'lost'> {
  const values = [lease.endpointId, lease.number, instanceId]
  const held = await sql.query(lockText, values, 'lease-lock')
  if (held.length === 0) return 'lost'
  const released = await sql.query(releaseIfIdleText, [lease.endpointId])
  return released.length === 1 ? 'free' : 'due'
}

/** Lets go in any case; with a delay nobody else takes the lease before it is over. */
export async function letGo(sql: Sql, lease: Lease, instanceId: string, delayMs = 0): Promise<void> {
  await sql.query(releaseText, [lease.endpointId, lease.number, instanceId, delayMs])
}

/** Frees every endpoint. For a start that knows to be alone: whoever holds a lease then has died. */
export async function releaseAllLeases(sql: Sql): Promise<void> {
  await sql.query(
    `update endpoint_states set leased_by = null, lease_expires_at = null where lease_expires_at is not null`,
  )
}

// Waits for a transaction that has just added work, so that what is read afterwards includes it.
const takeText = `
  update endpoint_states
     set lease_number = lease_number + 1,
         leased_by = $2::text,
         lease_expires_at = now() + make_interval(secs => $3::float8 / 1000)
   where endpoint_id = $1::text
     and (lease_expires_at is null or lease_expires_at <= now())
  returning lease_number as number`

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
// Index: deliveries_due_index.
const releaseIfIdleText = `
  update endpoint_states as s
     set leased_by = null, lease_expires_at = null
   where s.endpoint_id = $1::text
     and not exists (
       select
         from deliveries as d
        where d.endpoint_id = $1::text
          and d.next_attempt_at <= clock_timestamp())
  returning s.endpoint_id`

const releaseText = `
  update endpoint_states
     set leased_by = null,
         lease_expires_at = case when $4::float8 > 0 then now() + make_interval(secs => $4::float8 / 1000) end
   where endpoint_id = $1::text
     and lease_number = $2::bigint
     and leased_by = $3::text`
