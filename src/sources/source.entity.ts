import { defineEntity, type InferEntity, p } from '@mikro-orm/postgresql'
import type { ProjectId, SourceId } from '../kernel/ids.ts'
import { ProjectEntity } from '../projects/project.entity.ts'

/** Providers whose webhooks are understood without description. */
export type VerificationPreset = 'GITHUB'

/** A named place that messages come in at. Its log's state is in `source_heads`, which configuration never writes. */
export const SourceEntity = defineEntity({
  name: 'Source',
  tableName: 'sources',
  uniques: [{ properties: ['projectId', 'name'] }],
  properties: {
    id: p.text().$type<SourceId>().primary(),
    projectId: () =>
      p
        .manyToOne(ProjectEntity)
        .mapToPk()
        .joinColumn('project_id')
        .index(false)
        .updateRule('no action')
        .$type<ProjectId>(),
    name: p.text(),
    /** SHA-256 of the token in the address: what ingress looks the source up by. */
    tokenHash: p.blob().unique().hidden(),
    /** The token itself, so that the address can be shown again to those who may manage the source. */
    tokenSealed: p.text().hidden(),
    /** Whose rules the senders follow; null when the token in the address is all. The secrets are in `secrets`. */
    verificationPreset: p.text().$type<VerificationPreset>().nullable(),
    /** Bytes. */
    maxBodyBytes: p.integer(),
    createdAt: p.datetime().columnType('timestamptz'),
  },
})

export type Source = InferEntity<typeof SourceEntity>
