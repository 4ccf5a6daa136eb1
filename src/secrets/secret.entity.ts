import { defineEntity, type InferEntity, p } from '@mikro-orm/postgresql'
import type { SecretId } from '../kernel/ids.ts'

/** What verifies a source's senders or signs an endpoint's deliveries. An owner's newest secret is its current one. */
export const SecretEntity = defineEntity({
  name: 'Secret',
  tableName: 'secrets',
  indexes: [{ properties: ['ownerId', 'id'] }],
  properties: {
    id: p.text().$type<SecretId>().primary(),
    /** A source or an endpoint; no foreign key, because it may be either. */
    ownerId: p.text(),
    sealed: p.text().hidden(),
    /** The secret's last characters, to tell it from others; empty when it is too short to give any away. */
    hint: p.text(),
    /** `whpk_…`, for those who verify; null for a secret that both sides share. */
    publicKey: p.text().nullable(),
    createdAt: p.datetime().columnType('timestamptz'),
    /** From then on it no longer counts; null when it stays. */
    expiresAt: p.datetime().columnType('timestamptz').nullable(),
  },
})

export type Secret = InferEntity<typeof SecretEntity>
