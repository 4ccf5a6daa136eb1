import { randomBytes } from 'node:crypto'
import type { Reach } from '../auth/viewer.ts'
import { changeConfiguration } from '../db/configuration-epoch.ts'
import type { Sql } from '../db/sql.ts'
import type { UnitOfWork } from '../db/transaction.ts'
import { CodedError } from '../kernel/coded-error.ts'
import { newId } from '../kernel/ids.ts'
import { done, invalid, type Outcome } from '../kernel/outcome.ts'
import { orNameTaken } from '../projects/name-taken.ts'
import { newIngressToken } from './ingress-token.ts'
import { type Source, SourceEntity } from './source.entity.ts'
import { type SourceDeps, sourceNameConstraint } from './source-configuration.ts'
import { checkSourceInput, chosenFields, defaultFields, type SourceInput } from './source-input.ts'
import { setVerification } from './source-verification.ts'

export interface CreateSourceInput extends SourceInput {
  readonly name: string
}

/** Each has a log of its own that every process may watch: all heads are read with one query a second. */
const maxSources = 10_000

/**
 * Creates a source with an empty log.
 *
 * @throws CodedError FORBIDDEN when the caller is limited to some sources: the new one would not be among them.
 */
export async function createSource(deps: SourceDeps, reach: Reach, input: CreateSourceInput): Promise<Outcome<Source>> {
  if (reach.sourceIds !== null) {
    throw new CodedError('FORBIDDEN', 'This key is limited to some sources and cannot create further ones.')
  }
  const failure = invalid(checkSourceInput(input))
  if (failure !== null) return failure
  return await orNameTaken({ name: input.name, constraint: sourceNameConstraint }, () =>
    changeConfiguration(deps, reach.projectId, async (unit) => {
      const count = await unit.em.count(SourceEntity, { projectId: reach.projectId, isSystem: false })
      if (count >= maxSources) return { kind: 'limit-reached', limit: maxSources, path: ['input'] }
      const source = await insertSource(deps, unit, reach, input)
      await insertLog(unit.sql, source)
      return done(source)
    }),
  )
}

async function insertSource(
  { sealer }: SourceDeps,
  unit: UnitOfWork,
  reach: Reach,
  input: CreateSourceInput,
): Promise<Source> {
  const id = newId('src')
  const source = unit.em.create(SourceEntity, {
    id,
    projectId: reach.projectId,
    name: input.name,
    isSystem: false,
    ...newIngressToken(sealer, id),
    verificationPreset: null,
    verificationOptions: null,
    ...defaultFields,
    ...chosenFields(sealer, id, input),
    createdAt: new Date(),
  })
  unit.em.persist(source)
  if (input.verification) await setVerification(unit, sealer, source, input.verification)
  return source
}

// The log's epoch is random: cursors hold it, so that a cursor from before a restored backup is known as such.
async function insertLog(sql: Sql, source: Source): Promise<void> {
  await sql.query(`insert into source_heads (source_id, project_id, log_epoch) values ($1::text, $2::text, $3::text)`, [
    source.id,
    source.projectId,
    randomBytes(9).toString('base64url'),
  ])
  await sql.query(`insert into fan_out_marks (source_id) values ($1::text)`, [source.id])
}
