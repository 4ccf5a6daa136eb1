import type { Orm } from '../db/orm.ts'
import type { ProjectId } from '../kernel/ids.ts'
import { type Project, ProjectEntity } from './project.entity.ts'

/** @returns null when there is none. */
export async function findProject(
  deps: { readonly orm: Orm },
  by: { id: ProjectId } | { name: string },
): Promise<Project | null> {
  return await deps.orm.em.fork().findOne(ProjectEntity, by)
}
