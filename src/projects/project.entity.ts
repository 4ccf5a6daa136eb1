import { defineEntity, type InferEntity, p } from '@mikro-orm/postgresql'
import type { ProjectId } from '../kernel/ids.ts'
import type { RateLimit, Retention } from './limits.ts'

/** The tenant; everything else belongs to one. */
export const ProjectEntity = defineEntity({
  name: 'Project',
  tableName: 'projects',
  properties: {
    id: p.text().$type<ProjectId>().primary(),
    name: p.text().unique(),
    /** Of all sources together. Null: unlimited. */
    rateLimit: p.json<RateLimit>().nullable(),
    /** Of each source that has no rule of its own. Null: the server's default. */
    retention: p.json<Retention>().nullable(),
    createdAt: p.datetime().columnType('timestamptz'),
  },
})

export type Project = InferEntity<typeof ProjectEntity>

/** The project that a row belongs to, as its id alone. */
export const ofProject = () =>
  p.manyToOne(ProjectEntity).mapToPk().joinColumn('project_id').index(false).updateRule('no action').$type<ProjectId>()
