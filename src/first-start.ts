import { createApiKey, wholeProject } from './auth/index.ts'
import type { Orm } from './db/orm.ts'
import type { Sql } from './db/sql.ts'
import type { Outcome } from './kernel/outcome.ts'
import { createProject } from './projects/index.ts'
import { createSource, type Source, type SourceDeps, SourceEntity } from './sources/index.ts'

/** The project and the source that a newcomer finds. */
const projectName = 'default'
const sourceName = 'inbox'

/**
 * Gives an installation without projects its first one, with a source to send to and an admin key.
 *
 * @returns the key's token, which is shown once; null when there are projects, or another process makes them now.
 */
export async function prepareFirstStart(deps: SourceDeps & { readonly sql: Sql }): Promise<string | null> {
  const [existing] = await deps.sql.query(`select p.id from projects as p limit 1`)
  if (existing !== undefined) return null
  const project = await createProject(deps, { name: projectName })
  if (project.kind === 'name-taken') return null
  const reach = wholeProject(expectDone(project).id)
  expectDone(await createSource(deps, reach, { name: sourceName }))
  const key = expectDone(await createApiKey(deps, reach, { name: 'first admin key', scopes: ['admin'] }))
  return key.token
}

/** A source that takes requests without a signature: what the printed curl sends to. */
export async function findOpenSource(orm: Orm): Promise<Source | null> {
  return await orm.em.fork().findOne(SourceEntity, { verificationPreset: null }, { orderBy: { id: 'asc' } })
}

function expectDone<Value>(outcome: Outcome<Value>): Value {
  if (outcome.kind !== 'done') throw new Error(`the first start failed: ${JSON.stringify(outcome)}`)
  return outcome.value
}
