import type { Sql } from '../db/sql.ts'
import type { EndpointId } from '../kernel/ids.ts'
import type { Logger } from '../kernel/log.ts'
import { type Lease, leaseMs, renewIntervalMs, renewLeases, takeLease } from './lease.ts'

/** The leases of this process, renewed together. */
export interface HeldLeases {
  take(endpointId: EndpointId): Promise<HeldLease | null>
}

export interface HeldLease extends Lease {
  /** By our own clock, with a margin: whoever asks before each request never sends long after another has taken over. */
  isHeld(): boolean
  /** Someone found out that the lease is another's. */
  markLost(): void
  /** Renews no more; to be called after letting go. */
  forget(): void
}

/** A request that is begun this long before the end still goes out under the lease. */
const marginMs = 2_000

export function createHeldLeases(deps: {
  readonly sql: Sql
  readonly instanceId: string
  readonly log: Logger
}): HeldLeases {
  const expiries = new Map<Lease, number>()
  let renewing: NodeJS.Timeout | undefined

  async function renew(): Promise<void> {
    const leases = [...expiries.keys()]
    const startMs = performance.now()
    try {
      const renewed = new Set(await renewLeases(deps.sql, leases, deps.instanceId))
      for (const lease of leases) {
        if (renewed.has(lease.endpointId) && expiries.has(lease)) expiries.set(lease, startMs + leaseMs)
      }
    } catch (error) {
      deps.log.warn({ err: error, leases: leases.length }, 'renewing leases failed')
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
      const lease = await takeLease(deps.sql, endpointId, deps.instanceId)
      if (lease === null) return null
      expiries.set(lease, startMs + leaseMs)
      renewing ??= setInterval(() => void renew(), renewIntervalMs)
      return {
        ...lease,
        isHeld: () => (expiries.get(lease) ?? 0) - marginMs > performance.now(),
        markLost: () => void expiries.delete(lease),
        forget: () => forget(lease),
      }
    },
  }
}
