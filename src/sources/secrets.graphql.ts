import { builder } from '../graphql/builder.ts'
import type { Secret } from '../secrets/secret.entity.ts'

export const SecretType = builder.objectRef<Secret>('Secret').implement({
  description: 'A stored secret, never shown again: it signs (endpoints) or verifies (sources).',
  fields: (t) => ({
    id: t.exposeID('id', { description: '`sec_…`' }),
    hint: t.exposeString('hint', {
      description: 'The last four characters, to tell secrets apart; empty for one of fewer than 16.',
    }),
    publicKey: t.exposeString('publicKey', {
      description: 'The public half (`whpk_…`) of an ed25519 secret that signs; null for symmetric ones.',
      nullable: true,
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was set.' }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      description: 'When its overlap ends; null for the current one.',
      nullable: true,
    }),
  }),
})
