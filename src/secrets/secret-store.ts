import type { Orm } from '../db/orm.ts'
import type { Sql } from '../db/sql.ts'
import type { UnitOfWork } from '../db/transaction.ts'
import { type EndpointId, newId, type SourceId } from '../kernel/ids.ts'
import type { ActiveSecret } from '../signatures/index.ts'
import type { Sealer } from './sealer.ts'
import { type Secret, SecretEntity } from './secret.entity.ts'

/** Whose secrets: a source's verify its senders, an endpoint's sign its deliveries. */
export type SecretOwnerId = SourceId | EndpointId

/** Each request is tried against, each delivery signed with, every one of them. */
export const maxActiveSecrets = 5

/**
 * The current secret has no end, and none ends later than one that came after it. Ids alone would not do: they are made
 * by the clocks of several machines. In PostgreSQL nulls come first in a descending order.
 */
export const newestSecretFirst = { expiresAt: 'desc', id: 'desc' } as const

const hintCharacters = 4
/** A hint of four characters leaves at least twelve unknown. */
const minCharactersForHint = 16

export interface AddedSecret {
  readonly ownerId: SecretOwnerId
  readonly text: string
  /** What the other side verifies by, for a secret that has a public half. */
  readonly publicKey?: string | null
}

/** Seals a further secret for its owner, in the unit's transaction. */
export function addSecret({ em }: Pick<UnitOfWork, 'em'>, sealer: Sealer, secret: AddedSecret): Secret {
  const id = newId('sec')
  const row = em.create(SecretEntity, {
    id,
    ownerId: secret.ownerId,
    sealed: sealer.seal(secret.text, { table: 'secrets', rowId: id }),
    hint: secret.text.length < minCharactersForHint ? '' : secret.text.slice(-hintCharacters),
    publicKey: secret.publicKey ?? null,
    createdAt: new Date(),
    expiresAt: null,
  })
  em.persist(row)
  return row
}

/** Removes all secrets of an owner. */
export async function removeSecrets(sql: Sql, ownerId: SecretOwnerId): Promise<void> {
  await sql.query(`delete from secrets where owner_id = $1::text`, [ownerId])
}

/** The secrets that count now, the newest first, sealed as they are; an entry for each owner that has any. */
export async function activeSecrets(
  orm: Orm,
  ownerIds: readonly SecretOwnerId[],
): Promise<ReadonlyMap<string, readonly Secret[]>> {
  const counts = { $or: [{ expiresAt: null }, { expiresAt: { $gt: new Date() } }] }
  // Index: secrets_owner_id_id_index. An owner has five at most.
  const options = { orderBy: newestSecretFirst, limit: ownerIds.length * maxActiveSecrets }
  const secrets = await orm.em.fork().find(SecretEntity, { ownerId: { $in: [...ownerIds] }, ...counts }, options)
  return Map.groupBy(secrets, (secret) => secret.ownerId)
}

/**
 * The secrets that count now, in clear, the newest first. Costs two AES passes for each: callers on a hot path keep them,
 * and look at each one's end whenever they use it.
 *
 * @throws SealError when one does not open.
 */
export async function openSecrets(sql: Sql, sealer: Sealer, ownerId: SecretOwnerId): Promise<ActiveSecret[]> {
  // Index: secrets_owner_id_id_index.
  const rows = await sql.query<{ id: string; sealed: string; expires_at: Date | null }>(
    `select s.id, s.sealed, s.expires_at
       from secrets as s
      where s.owner_id = $1::text
        and (s.expires_at is null or s.expires_at > now())
      order by s.expires_at desc, s.id desc
      limit $2::int`,
    [ownerId, maxActiveSecrets],
  )
  return rows.map(({ id, sealed, expires_at }) => ({
    text: sealer.open(sealed, { table: 'secrets', rowId: id }),
    expiresAt: expires_at,
  }))
}
