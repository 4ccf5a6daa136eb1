import type { Reach } from '../auth/viewer.ts'
import { changeConfiguration } from '../db/configuration-epoch.ts'
import type { Sql } from '../db/sql.ts'
import { done, invalid, type Outcome } from '../kernel/outcome.ts'
import { checkWholeNumber } from '../projects/input-checks.ts'
import { overlapBoundsMs } from '../secrets/replace-secret.ts'
import { newIngressToken } from './ingress-token.ts'
import type { Source } from './source.entity.ts'
import { findOwnSource, type SourceDeps, sourceNotFound } from './source-configuration.ts'
import { isBuiltIn } from './system-source.ts'

export interface RotateSourceTokenInput {
  readonly id: string
  /** How long the old addresses still work: 0 to 604,800,000 ms. */
  readonly overlapMs: number
}

/** Of a source whose token is rotated more often than that, the oldest addresses end early. */
const maxFormerTokens = 5

/** Gives a source a new secret address. The old ones end with the overlap; without one, everywhere within a second. */
export async function rotateSourceToken(
  deps: SourceDeps,
  reach: Reach,
  { id, overlapMs }: RotateSourceTokenInput,
): Promise<Outcome<Source>> {
  return await changeConfiguration(deps, reach.projectId, async (unit) => {
    const source = await findOwnSource(unit, reach, id)
    if (source === null) return sourceNotFound(id)
    if (source.isSystem) return isBuiltIn()
    const failure = invalid(checkWholeNumber(overlapMs, ['input', 'overlapMs'], overlapBoundsMs))
    if (failure !== null) return failure
    await keepFormerToken(unit.sql, source, overlapMs)
    Object.assign(source, newIngressToken(deps.sealer, source.id))
    return done(source)
  })
}

// No former token outlives this overlap: who asks for none wants all old addresses to end.
async function keepFormerToken(sql: Sql, { id, tokenHash }: Source, overlapMs: number): Promise<void> {
  await sql.query(
    `update former_tokens
        set expires_at = least(expires_at, now() + $2::bigint * interval '1 millisecond')
      where source_id = $1::text`,
    [id, overlapMs],
  )
  await sql.query(
    `insert into former_tokens (token_hash, source_id, expires_at)
     values ($2::bytea, $1::text, now() + $3::bigint * interval '1 millisecond')`,
    [id, tokenHash, overlapMs],
  )
  await sql.query(
    `delete from former_tokens
      where source_id = $1::text
        and (expires_at <= now() or token_hash not in (
              select f.token_hash
                from former_tokens as f
               where f.source_id = $1::text
               order by (f.token_hash = $2::bytea) desc, f.expires_at desc, f.token_hash
               limit $3::int))`,
    [id, tokenHash, maxFormerTokens],
  )
}
