import { bumpEpoch, type ConfigurationDeps } from '../db/configuration-epoch.ts'
import { inTransaction } from '../db/transaction.ts'
import { newId } from '../kernel/ids.ts'
import { done, invalid, type Outcome } from '../kernel/outcome.ts'
import { type Project, ProjectEntity } from '../projects/index.ts'
import { checkName } from '../projects/input-checks.ts'
import { orNameTaken } from '../projects/name-taken.ts'
import { ensureSystemSource } from './system-source.ts'

/** Creates a tenant, with its built-in source. Only the operator can: no API key reaches beyond its project. */
export async function createProject(
  deps: ConfigurationDeps,
  input: { readonly name: string },
): Promise<Outcome<Project>> {
  const failure = invalid(checkName(input.name, ['input', 'name']))
  if (failure !== null) return failure
  return await orNameTaken({ name: input.name, constraint: 'projects_name_unique' }, async () => {
    const project = await insertProject(deps, input.name)
    deps.epochs.changed()
    return done(project)
  })
}

async function insertProject(deps: ConfigurationDeps, name: string): Promise<Project> {
  return await inTransaction(deps.orm, async ({ em, sql }) => {
    const project = em.create(ProjectEntity, {
      id: newId('prj'),
      name,
      rateLimit: null,
      retention: null,
      createdAt: new Date(),
    })
    await em.persist(project).flush()
    await ensureSystemSource(sql, project.id)
    await bumpEpoch(sql)
    return project
  })
}
