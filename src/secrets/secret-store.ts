import type { Sql } from '../db/sql.ts'
import type { UnitOfWork } from '../db/transaction.ts'
import { type EndpointId, newId, type SourceId } from '../kernel/ids.ts'
import type { Sealer } from './sealer.ts'
import { type Secret, SecretEntity } from './secret.entity.ts'

/** Whose secrets: a source's verify its senders, an endpoint's sign its deliveries. */
export type SecretOwnerId = SourceId | EndpointId

const hintCharacters = 4
/** A hint of four characters leaves at least twelve unknown. */
const minCharactersForHint = 16

/** Seals a further secret for its owner, in the unit's transaction. */
export function addSecret(
  { em }: Pick<UnitOfWork, 'em'>,
  sealer: Sealer,
  secret: { readonly ownerId: SecretOwnerId; readonly text: string },
): Secret {
  const id = newId('sec')
  const row = em.create(SecretEntity, {
    id,
    ownerId: secret.ownerId,
    sealed: sealer.seal(secret.text, { table: 'secrets', rowId: id }),
    hint: secret.text.length < minCharactersForHint ? '' : secret.text.slice(-hintCharacters),
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

/**
 * The secrets that count now, in clear, the newest first. Costs two AES passes for each: callers on a hot path keep them.
 *
 * @returns an entry for each owner that has any.
 * @throws SealError when one does not open.
 */
export async function openSecrets(
  sql: Sql,
  sealer: Sealer,
  ownerIds: readonly SecretOwnerId[],
): Promise<ReadonlyMap<SecretOwnerId, readonly string[]>> {
  // Index: secrets_owner_id_id_index.
  const rows = await sql.query<{ id: string; owner_id: SecretOwnerId; sealed: string }>(
    `select s.id, s.owner_id, s.sealed
       from secrets as s
      where s.owner_id = any ($1::text[])
        and (s.expires_at is null or s.expires_at > now())
      order by s.owner_id, s.id desc`,
    [ownerIds],
  )
  const opened = new Map<SecretOwnerId, string[]>()
  for (const row of rows) {
    const texts = opened.get(row.owner_id) ?? []
    texts.push(sealer.open(row.sealed, { table: 'secrets', rowId: row.id }))
    opened.set(row.owner_id, texts)
  }
  return opened
}
