import type { Reach } from '../auth/viewer.ts'
import { changeConfiguration } from '../db/configuration-epoch.ts'
import { done, type Outcome } from '../kernel/outcome.ts'
import { newIngressToken } from './ingress-token.ts'
import type { Source } from './source.entity.ts'
import { findOwnSource, type SourceDeps, sourceNotFound } from './source-configuration.ts'

/** Gives a source a new secret address. The old one ends in every process within a second. */
export async function rotateSourceToken(
  deps: SourceDeps,
  reach: Reach,
  input: { readonly id: string },
): Promise<Outcome<Source>> {
  return await changeConfiguration(deps, reach.projectId, async (unit) => {
    const source = await findOwnSource(unit, reach, input.id)
    if (source === null) return sourceNotFound(input.id)
    Object.assign(source, newIngressToken(deps.sealer, source.id))
    return done(source)
  })
}
