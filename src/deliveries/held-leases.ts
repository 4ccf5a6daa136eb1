import type { Sql } from '../db/sql.ts'
import type { EndpointId } from '../kernel/ids.ts'
import type { Logger } from '../kernel/log.ts'
import {
  type Lease,
  type LettingGo,
  type LockedRows,
  leaseMs,
  renewIntervalMs,
  renewLeases,
  type TakenLease,
  takeLease,
} from './lease.ts'
import { createPace, type Pace } from './pace.ts'

/** The leases of this process, renewed together. */
export interface HeldLeases {
  take(endpointId: EndpointId): Promise<HeldLease | null>
}

export interface HeldLease extends Omit<TakenLease, 'rateLog' | 'takenAtMs'> {
  readonly pace: Pace
  /** What is to be left behind as things stand. */
  lettingGo(): LettingGo
  /** By our own clock, with a margin: whoever asks before each request never sends long after another has taken over. */
  isHeld(): boolean
  /** Someone found out that the lease is another's. */
  markLost(): void
  /** Renews no more; to be called after letting go. */
  forget(): void
}

export interface HeldLeasesDeps {
  readonly sql: Sql
  readonly instanceId: string
  readonly log: Logger
}

/** A request that is begun this long before the end still goes out under the lease. */
const marginMs = 2_000

export function createHeldLeases({ sql, instanceId, log }: HeldLeasesDeps): HeldLeases {
  const expiries = new Map<Lease, number>()
  let renewing: NodeJS.Timeout | undefined

  // Rows are locked often, but briefly: those that were skipped are renewed one by one.
  async function renewAll(): Promise<void> {
    const leases = [...expiries.keys()]
    const renewed = await renew(leases, 'skip')
    if (renewed === null) return
    for (const lease of leases) if (!renewed.has(lease.endpointId)) await renew([lease], 'wait')
  }

  /** @returns null when the database did not answer. */
  async function renew(leases: readonly Lease[], lockedRows: LockedRows): Promise<ReadonlySet<EndpointId> | null> {
    const expiresMs = performance.now() + leaseMs
    try {
      const renewed = new Set(await renewLeases(sql, leases, { instanceId, lockedRows }))
      for (const lease of leases) {
        if (renewed.has(lease.endpointId) && expiries.has(lease)) expiries.set(lease, expiresMs)
      }
      return renewed
    } catch (error) {
      log.warn({ err: error, leases: leases.length }, 'renewing leases failed')
      return null
    }
  }

  function forget(lease: Lease): void {
    expiries.delete(lease)
    if (expiries.size > 0) return
    clearInterval(renewing)
    renewing = undefined
  }

  return {
    async take(endpointId) {
      const startMs = performance.now()
      const lease = await takeLease(sql, endpointId, instanceId)
      if (lease === null) return null
      expiries.set(lease, startMs + leaseMs)
      renewing ??= setInterval(() => void renewAll(), renewIntervalMs)
      const { rateLog, takenAtMs, ...kept } = lease
      const readMs = performance.now()
      const pace = createPace(rateLog, () => takenAtMs + performance.now() - readMs)
      return {
        ...kept,
        pace,
        lettingGo: () => ({ instanceId, rateLog: pace.text() }),
        isHeld: () => (expiries.get(lease) ?? 0) - marginMs > performance.now(),
        markLost: () => void expiries.delete(lease),
        forget: () => forget(lease),
      }
    },
  }
}
