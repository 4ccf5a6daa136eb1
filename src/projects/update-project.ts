import { type ConfigurationDeps, changeConfiguration } from '../db/configuration-epoch.ts'
import type { ProjectId } from '../kernel/ids.ts'
import { done, invalid, type Outcome } from '../kernel/outcome.ts'
import { checkRateLimit, checkRetention, type GivenRetention, type RateLimit, retentionOf } from './limits.ts'
import { type Project, ProjectEntity } from './project.entity.ts'

/** A field that is undefined stays as it is. */
export interface UpdateProjectInput {
  /** Null is unlimited. */
  readonly rateLimit?: RateLimit | null | undefined
  /** As a whole; null is the server's default. */
  readonly retention?: GivenRetention | null | undefined
}

/** Changes the ceilings of a project. */
export async function updateProject(
  deps: ConfigurationDeps,
  projectId: ProjectId,
  input: UpdateProjectInput,
): Promise<Outcome<Project>> {
  const { rateLimit, retention } = input
  const failure = invalid([
    ...checkRateLimit(rateLimit, ['input', 'rateLimit']),
    ...checkRetention(retention, ['input', 'retention']),
  ])
  if (failure !== null) return failure
  return await changeConfiguration(deps, projectId, async ({ em }) => {
    const project = await em.findOneOrFail(ProjectEntity, { id: projectId })
    if (rateLimit !== undefined)
      project.rateLimit = rateLimit && { count: rateLimit.count, windowMs: rateLimit.windowMs }
    if (retention !== undefined) project.retention = retention && retentionOf(retention)
    return done(project)
  })
}
