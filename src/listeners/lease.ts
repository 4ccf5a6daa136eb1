import type { Sql } from '../db/sql.ts'
import type { ListenerId } from '../kernel/ids.ts'
import type { LogPosition } from './listener.ts'
import { mayListen } from './listener-store.ts'

/*
 * Who holds a listener. The row knows the lease that was given last and until when its stream is known to live:
 *
 *   waiting ──take──▶ live ──release──▶ waiting
 *                     │  └──expires───▶ waiting (its process died, or lost the database)
 *                     └──take by a newer stream, under another lease
 *
 * Nobody waits for a lease: the newer stream wins at once, and the older one finds its lease replaced. Letting go keeps
 * the lease in the row, so that what was sent can still be acknowledged until another stream takes the listener.
 */
export interface Lease {
  readonly listenerId: ListenerId
  /** Random: whoever knows it was sent it. */
  readonly lease: string
}

/** What became of a lease; `changing`: the row was changed meanwhile, so that the next renewal tells. */
export interface LeaseState extends Lease {
  readonly standing: 'held' | 'changing' | LossReason
}

/** Why a stream must end. */
export type LossReason = 'taken' | 'gone' | 'disconnected'

/** So long a listener counts as live after its process died. */
const leaseMs = 15_000

/** @returns the acknowledged place; null when the listener is gone. */
export async function takeLease(sql: Sql, { listenerId, lease }: Lease): Promise<LogPosition | null> {
  const [row] = await sql.query<TakenRow>(takeText, [listenerId, lease, leaseMs], 'listener-take')
  return row === undefined ? null : { logEpoch: row.log_epoch, sequence: row.acknowledged_sequence }
}

/** Renews those that are still held, and tells of each what became of it. */
export async function renewLeases(sql: Sql, leases: readonly Lease[]): Promise<LeaseState[]> {
  const values = [leases.map(({ listenerId }) => listenerId), leases.map(({ lease }) => lease), leaseMs]
  return await sql.query<LeaseState>(renewText, values, 'listener-renew')
}

export async function releaseLease(sql: Sql, { listenerId, lease }: Lease): Promise<void> {
  await sql.query(releaseText, [listenerId, lease], 'listener-release')
}

/** Notes that the listeners were read by somebody who holds no lease. */
export async function markRead(sql: Sql, listenerIds: readonly ListenerId[]): Promise<void> {
  await sql.query(markReadText, [listenerIds])
}

interface TakenRow {
  log_epoch: string
  acknowledged_sequence: number
}

const takeText = `
  update listeners
     set lease = $2::text,
         lease_expires_at = now() + make_interval(secs => $3::float8 / 1000),
         last_seen_at = now()
   where id = $1::text
  returning log_epoch, acknowledged_sequence`

// Locks in order of id, like all that lock several of these rows. What is locked is the latest version of a row; what is
// told of the others is as old as the statement, and they may have been taken or deleted while it waited for a lock.
// Indexes: listeners_pkey, api_keys_pkey.
const renewText = `
  with held as materialized (
    select l.id, l.lease
      from listeners as l
      join unnest($1::text[], $2::text[]) as x (id, lease) on x.id = l.id and x.lease = l.lease
     order by l.id
       for no key update of l
  ), renewed as (
    update listeners as l
       set lease_expires_at = now() + make_interval(secs => $3::float8 / 1000), last_seen_at = now()
      from held as h
     where l.id = h.id
  )
  select x.id as "listenerId", x.lease,
         case when l.id is null then 'gone'
              when h.id is null and l.lease = x.lease then 'changing'
              when h.id is null then 'taken'
              when not ${mayListen} then 'disconnected'
              else 'held'
         end as standing
    from unnest($1::text[], $2::text[]) as x (id, lease)
    left join listeners as l on l.id = x.id
    left join api_keys as k on k.id = l.api_key_id
    left join held as h on h.id = x.id and h.lease = x.lease`

const releaseText = `
  update listeners
     set lease_expires_at = null, last_seen_at = now()
   where id = $1::text
     and lease = $2::text`

const markReadText = `
  with read as materialized (
    select l.id
      from listeners as l
     where l.id = any($1::text[])
     order by l.id
       for no key update of l
  )
  update listeners as l
     set last_seen_at = now()
    from read as r
   where l.id = r.id`
