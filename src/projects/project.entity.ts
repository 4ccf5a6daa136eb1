import { defineEntity, type InferEntity, p } from '@mikro-orm/postgresql'
import type { ProjectId } from '../kernel/ids.ts'

/** The tenant; everything else belongs to one. */
export const ProjectEntity = defineEntity({
  name: 'Project',
  tableName: 'projects',
  properties: {
    id: p.text().$type<ProjectId>().primary(),
    name: p.text().unique(),
    createdAt: p.datetime().columnType('timestamptz'),
  },
})

export type Project = InferEntity<typeof ProjectEntity>
