import type { UnitOfWork } from '../db/transaction.ts'
import type { Sealer } from './sealer.ts'
import { type Secret, SecretEntity } from './secret.entity.ts'
import { type AddedSecret, addSecret, maxActiveSecrets, newestSecretFirst } from './secret-store.ts'

/** Up to seven days, both included. */
export const overlapBoundsMs = { min: 0, max: 604_800_000 }

/** What a client asks for. */
export interface RotateSecretInput {
  /** A source or an endpoint. */
  readonly ownerId: string
  /** In the form that the owner's scheme asks for; left out: generated. */
  readonly secret?: string | null | undefined
  /** How long the secrets before it still count: 0 to 604,800,000 ms. */
  readonly overlapMs: number
}

export interface RotatedSecret {
  /** In clear. Told this once: from then on it is sealed. */
  readonly secret: string
  /** All that count now, the newest first. */
  readonly secrets: readonly Secret[]
}

export interface NewSecret extends AddedSecret {
  /** How long the secrets before it still count; 0: not at all. */
  readonly overlapMs: number
}

/**
 * Makes a secret its owner's current one. The ones before it count until the overlap is over, or as long as they would
 * have counted anyway if that is shorter; of more than five the oldest end at once, so that a secret that became known
 * can always be replaced.
 *
 * @returns those that count now, the newest first.
 */
export async function replaceSecret(unit: UnitOfWork, sealer: Sealer, secret: NewSecret): Promise<Secret[]> {
  const { em, sql } = unit
  const { ownerId } = secret
  await sql.query(
    `update secrets
        set expires_at = least(expires_at, now() + $2::bigint * interval '1 millisecond')
      where owner_id = $1::text`,
    [ownerId, secret.overlapMs],
  )
  addSecret(unit, sealer, secret)
  await em.flush()
  await sql.query(
    `delete from secrets
      where owner_id = $1::text
        and (expires_at <= now() or id not in (
              select s.id
                from secrets as s
               where s.owner_id = $1::text
               order by s.expires_at desc, s.id desc
               limit $2::int))`,
    [ownerId, maxActiveSecrets],
  )
  return await em.find(SecretEntity, { ownerId }, { orderBy: newestSecretFirst, limit: maxActiveSecrets })
}
