import type { Sql } from '../db/sql.ts'
import { disable } from '../endpoints/endpoint-state.ts'
import type { ActiveEndpoint } from '../endpoints/index.ts'
import type { DeliveryId, EndpointId, ProjectId } from '../kernel/ids.ts'
import { isGone } from './decide-next.ts'
import type { Settled, Settlement } from './settle.ts'

/** What became of an endpoint, or of a delivery to it, that somebody may want to know. */
export type EndpointChange = {
  readonly endpointId: EndpointId
  readonly projectId: ProjectId
} & (
  | { readonly kind: 'endpoint-disabled'; readonly reason: string }
  | { readonly kind: 'breaker-opened' | 'breaker-closed' }
  | { readonly kind: 'delivery-exhausted'; readonly deliveryId: DeliveryId }
)

/** Looks at what was settled, after its commit and under no lock. */
export interface EndpointWatch {
  /** Tells which breakers the batch opened or closed, and which deliveries it gave up. */
  afterBatch(batch: readonly Settlement[], settled: readonly Settled[]): void
  /** Disables the endpoint, when it is gone or has failed for too long, and tells of it. @returns whether it did. */
  afterAttempt(
    endpoint: Pick<ActiveEndpoint, 'disableAfterMs'>,
    settlement: Settlement,
    settled: Settled,
  ): Promise<boolean>
}

export function createEndpointWatch(deps: {
  readonly sql: Sql
  /** Called for each change. Must not throw. */
  readonly onEndpointChanged: (change: EndpointChange) => void
}): EndpointWatch {
  return {
    afterBatch(batch, settled) {
      for (const change of changesOf(batch, settled)) deps.onEndpointChanged(change)
    },
    // If the process dies before, the next failure disables it.
    async afterAttempt({ disableAfterMs }, settlement, settled) {
      const reason = settled.counts ? disablingReason(settlement, settled.failingSince, disableAfterMs) : null
      if (reason === null) return false
      const { deliveryId, lease, outcome } = settlement
      const { endpointId } = lease
      const projectId = await disable(deps.sql, { id: endpointId, reason, begunAt: outcome.startedAt, deliveryId })
      if (projectId === null) return false
      deps.onEndpointChanged({ kind: 'endpoint-disabled', endpointId, projectId, reason })
      return true
    },
  }
}

function changesOf(batch: readonly Settlement[], settled: readonly Settled[]): EndpointChange[] {
  const changes: EndpointChange[] = []
  const endpoints = new Map(batch.map(({ deliveryId, lease }) => [deliveryId, lease.endpointId]))
  const turned = new Set<EndpointId>()
  for (const { deliveryId, projectId, status, breaker, breakerBefore } of settled) {
    const endpointId = endpoints.get(deliveryId)
    if (endpointId === undefined) continue
    if (status === 'failed') changes.push({ kind: 'delivery-exhausted', endpointId, projectId, deliveryId })
    if (breaker === breakerBefore || turned.has(endpointId)) continue
    turned.add(endpointId)
    changes.push({ kind: breaker === 'open' ? 'breaker-opened' : 'breaker-closed', endpointId, projectId })
  }
  return changes
}

const hourMs = 3_600_000

/** @returns a sentence for people; null when it may go on. */
function disablingReason(
  { decision, outcome }: Settlement,
  failingSince: Date | null,
  disableAfterMs: number | null,
): string | null {
  if (decision.kind === 'delivered') return null
  if (isGone(decision)) return 'It answered 410: it is gone for good.'
  if (disableAfterMs === null || failingSince === null) return null
  if (outcome.startedAt.getTime() - failingSince.getTime() < disableAfterMs) return null
  return `Every attempt has failed since ${failingSince.toISOString()}, for ${disableAfterMs / hourMs} hours and more.`
}
