import { type Reach, seesSource } from '../auth/viewer.ts'
import type { ConfigurationDeps } from '../db/configuration-epoch.ts'
import type { UnitOfWork } from '../db/transaction.ts'
import { isId } from '../kernel/ids.ts'
import type { UserFailure } from '../kernel/outcome.ts'
import type { Sealer } from '../secrets/index.ts'
import { type Source, SourceEntity } from './source.entity.ts'

/** What the operations on sources need. */
export interface SourceDeps extends ConfigurationDeps {
  readonly sealer: Sealer
}

export const sourceNameConstraint = 'sources_project_id_name_unique'

/** @param field of the input, which held the id. */
export function sourceNotFound(id: string, field = 'id'): UserFailure {
  return { kind: 'not-found', id, path: ['input', field] }
}

/** The source to change; null when it does not exist within the caller's reach. */
export async function findOwnSource({ em }: UnitOfWork, reach: Reach, id: string): Promise<Source | null> {
  if (!isId('src', id) || !seesSource(reach, id)) return null
  return await em.findOne(SourceEntity, { id, projectId: reach.projectId })
}
