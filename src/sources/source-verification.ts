import type { UnitOfWork } from '../db/transaction.ts'
import type { SourceId } from '../kernel/ids.ts'
import type { Sealer } from '../secrets/index.ts'
import { addSecret, removeSecrets } from '../secrets/secret-store.ts'
import type { VerificationRules } from '../signatures/index.ts'
import type { Source, VerificationOptions } from './source.entity.ts'
import { readVerification, type VerificationInput } from './verification-input.ts'

/** How a source's row holds the rules of its verification. */
export type StoredVerification = Pick<Source, 'id' | 'verificationPreset' | 'verificationOptions'>

/** Replaces scheme and secrets together: a secret of another scheme would verify nothing. */
export async function setVerification(
  unit: UnitOfWork,
  sealer: Sealer,
  source: Source,
  verification: VerificationInput | null,
): Promise<void> {
  await removeSecrets(unit.sql, source.id)
  const given = verification === null ? null : readVerification(verification)
  source.verificationPreset = given?.rules.scheme === 'PRESET' ? given.rules.preset : null
  source.verificationOptions = given === null ? null : optionsOf(sealer, source.id, given.rules)
  if (given !== null) addSecret(unit, sealer, { ownerId: source.id, text: given.secret })
}

function optionsOf(sealer: Sealer, sourceId: SourceId, rules: VerificationRules): VerificationOptions | null {
  if (rules.scheme !== 'PRESET') return rules
  if (rules.verifyToken === null) return null
  return { scheme: 'PRESET', verifyTokenSealed: sealer.seal(rules.verifyToken, contextOf(sourceId)) }
}

/**
 * The rules that senders follow; null when the token in the address is all.
 *
 * @throws SealError when the verify token does not open.
 */
export function rulesOf(sealer: Sealer, source: StoredVerification): VerificationRules | null {
  const { id, verificationPreset: preset, verificationOptions: options } = source
  if (preset) {
    const sealed = options?.scheme === 'PRESET' ? options.verifyTokenSealed : null
    return { scheme: 'PRESET', preset, verifyToken: sealed === null ? null : sealer.open(sealed, contextOf(id)) }
  }
  return options && options.scheme !== 'PRESET' ? options : null
}

/** Whether senders must prove who they are. */
export function verifies({ verificationPreset, verificationOptions }: Omit<StoredVerification, 'id'>): boolean {
  return Boolean(verificationPreset ?? verificationOptions)
}

function contextOf(sourceId: SourceId): { table: string; rowId: string } {
  return { table: 'sources', rowId: sourceId }
}
