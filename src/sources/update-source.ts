import type { Reach } from '../auth/viewer.ts'
import { changeConfiguration } from '../db/configuration-epoch.ts'
import { done, invalid, type Outcome } from '../kernel/outcome.ts'
import { orNameTaken } from '../projects/name-taken.ts'
import type { Source } from './source.entity.ts'
import { findOwnSource, type SourceDeps, sourceNameConstraint, sourceNotFound } from './source-configuration.ts'
import { checkSourceInput, chosenFields, type SourceInput } from './source-input.ts'
import { setVerification } from './source-verification.ts'
import { isBuiltIn } from './system-source.ts'

/** A field that is undefined stays as it is. */
export interface UpdateSourceInput extends SourceInput {
  readonly id: string
}

/** Changes a source. Every process follows within a second. */
export async function updateSource(deps: SourceDeps, reach: Reach, input: UpdateSourceInput): Promise<Outcome<Source>> {
  return await orNameTaken({ name: input.name, constraint: sourceNameConstraint }, () =>
    changeConfiguration(deps, reach.projectId, async (unit) => {
      const source = await findOwnSource(unit, reach, input.id)
      if (source === null) return sourceNotFound(input.id)
      if (source.isSystem && changesMoreThanRetention(input)) return isBuiltIn()
      const failure = invalid(checkSourceInput(input))
      if (failure !== null) return failure
      Object.assign(source, chosenFields(deps.sealer, source.id, input))
      if (input.verification !== undefined) await setVerification(unit, deps.sealer, source, input.verification)
      return done(source)
    }),
  )
}

function changesMoreThanRetention({ id: _id, retention: _retention, ...others }: UpdateSourceInput): boolean {
  return Object.values(others).some((value) => value !== undefined)
}
