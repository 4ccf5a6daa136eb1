import type { Reach } from '../auth/viewer.ts'
import { changeConfiguration } from '../db/configuration-epoch.ts'
import { done, invalid, type Outcome } from '../kernel/outcome.ts'
import { checkWholeNumber, issue } from '../projects/input-checks.ts'
import {
  overlapBoundsMs,
  type RotatedSecret,
  type RotateSecretInput,
  replaceSecret,
} from '../secrets/replace-secret.ts'
import { generateSecret } from '../signatures/index.ts'
import { findOwnSource, type SourceDeps, sourceNotFound } from './source-configuration.ts'
import { rulesOf } from './source-verification.ts'
import { isBuiltIn } from './system-source.ts'
import { checkSourceSecret } from './verification-input.ts'

/** Replaces the secret that a source's senders prove themselves by; the old ones count on through the overlap. */
export async function rotateSourceSecret(
  deps: SourceDeps,
  reach: Reach,
  { ownerId, secret, overlapMs }: RotateSecretInput,
): Promise<Outcome<RotatedSecret>> {
  return await changeConfiguration(deps, reach.projectId, async (unit) => {
    const source = await findOwnSource(unit, reach, ownerId)
    if (source === null) return sourceNotFound(ownerId, 'ownerId')
    if (source.isSystem) return isBuiltIn('ownerId')
    const rules = rulesOf(deps.sealer, source)
    if (rules === null) {
      const message = 'The source verifies nobody and so holds no secret: give it a verification first.'
      return { kind: 'state-conflict', message, path: ['input', 'ownerId'] }
    }
    const path = ['input', 'secret']
    const ofOverlap = checkWholeNumber(overlapMs, ['input', 'overlapMs'], overlapBoundsMs)
    const text = secret ?? generateSecret(rules)
    if (text === null) return { kind: 'invalid', issues: [issue('REQUIRED', path, onlyProviderMakes), ...ofOverlap] }
    const failure = invalid([...checkSourceSecret(rules, text, path), ...ofOverlap])
    if (failure !== null) return failure
    const secrets = await replaceSecret(unit, deps.sealer, { ownerId: source.id, text, overlapMs })
    return done({ secret: text, secrets })
  })
}

const onlyProviderMakes = 'Only the provider can make this secret: give the one that it shows.'
