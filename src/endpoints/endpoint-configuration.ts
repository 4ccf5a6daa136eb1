import { type Reach, seesAllOf } from '../auth/viewer.ts'
import type { ConfigurationDeps } from '../db/configuration-epoch.ts'
import type { UnitOfWork } from '../db/transaction.ts'
import { isId } from '../kernel/ids.ts'
import type { UserFailure } from '../kernel/outcome.ts'
import type { AddressGuard } from '../outbound/address-guard.ts'
import type { Sealer } from '../secrets/index.ts'
import { type Endpoint, EndpointEntity } from './endpoint.entity.ts'

/** What the operations on endpoints need. */
export interface EndpointDeps extends ConfigurationDeps {
  readonly guard: AddressGuard
  readonly sealer: Sealer
}

export function endpointNotFound(id: string): UserFailure {
  return { kind: 'not-found', id, path: ['input', 'id'] }
}

/** The endpoint to change; null when it does not exist within the caller's reach. */
export async function findOwnEndpoint({ em }: UnitOfWork, reach: Reach, id: string): Promise<Endpoint | null> {
  if (!isId('ept', id)) return null
  const endpoint = await em.findOne(EndpointEntity, { id, projectId: reach.projectId })
  return endpoint !== null && seesAllOf(reach, endpoint.sourceIds ?? null) ? endpoint : null
}
