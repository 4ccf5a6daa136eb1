import { createApiKey, wholeProject } from './auth/index.ts'
import type { Orm } from './db/orm.ts'
import type { Sql } from './db/sql.ts'
import { findProject } from './projects/index.ts'
import { createProject, createSource, type Source, type SourceDeps, SourceEntity } from './sources/index.ts'

/** The project and the source that a newcomer finds. */
const projectName = 'default'
const sourceName = 'inbox'

/**
 * Gives an installation without keys its first one, an admin's, with a project and a source to send to. A start that
 * was interrupted half way is completed by the next.
 *
 * @returns the key's token, which is shown once; null when there are keys.
 */
export async function prepareFirstStart(deps: SourceDeps & { readonly sql: Sql }): Promise<string | null> {
  const [existing] = await deps.sql.query(`select k.id from api_keys as k limit 1`)
  if (existing !== undefined) return null
  const created = await createProject(deps, { name: projectName })
  const project = created.kind === 'done' ? created.value : await findProject(deps, { name: projectName })
  if (project === null) throw new Error(`the first start failed: ${JSON.stringify(created)}`)
  const reach = wholeProject(project.id)
  await createSource(deps, reach, { name: sourceName })
  const key = await createApiKey(deps, reach, { name: 'first admin key', scopes: ['admin'] })
  if (key.kind !== 'done') throw new Error(`the first start failed: ${JSON.stringify(key)}`)
  return key.value.token
}

/** A source of the first project that takes requests without a signature: what the printed curl sends to. */
export async function findOpenSource(orm: Orm): Promise<Source | null> {
  const project = await findProject({ orm }, { name: projectName })
  if (project === null) return null
  const where = {
    projectId: project.id,
    isSystem: false,
    verificationPreset: null,
    verificationOptions: null,
    isPaused: false,
  }
  return await orm.em.fork().findOne(SourceEntity, where, { orderBy: { id: 'asc' } })
}
