import { type Reach, seesSource } from '../auth/viewer.ts'
import type { ConfigurationDeps } from '../db/configuration-epoch.ts'
import type { UnitOfWork } from '../db/transaction.ts'
import { isId } from '../kernel/ids.ts'
import type { UserFailure } from '../kernel/outcome.ts'
import type { Sealer } from '../secrets/index.ts'
import { addSecret, removeSecrets } from '../secrets/secret-store.ts'
import { type Source, SourceEntity } from './source.entity.ts'
import type { VerificationInput } from './source-input.ts'

/** What the operations on sources need. */
export interface SourceDeps extends ConfigurationDeps {
  readonly sealer: Sealer
}

export const sourceNameConstraint = 'sources_project_id_name_unique'

export function sourceNotFound(id: string): UserFailure {
  return { kind: 'not-found', id, path: ['input', 'id'] }
}

/** The source to change; null when it does not exist within the caller's reach. */
export async function findOwnSource({ em }: UnitOfWork, reach: Reach, id: string): Promise<Source | null> {
  if (!isId('src', id) || !seesSource(reach, id)) return null
  return await em.findOne(SourceEntity, { id, projectId: reach.projectId })
}

/** Replaces scheme and secrets together: a secret of another scheme would verify nothing. */
export async function setVerification(
  unit: UnitOfWork,
  sealer: Sealer,
  source: Source,
  verification: VerificationInput | null,
): Promise<void> {
  await removeSecrets(unit.sql, source.id)
  source.verificationPreset = verification?.preset.preset ?? null
  if (verification !== null) addSecret(unit, sealer, { ownerId: source.id, text: verification.preset.secret })
}
