import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Configuration, doneValue, startConfiguration } from '../../test/support/configuration.ts'
import type { Reach } from '../auth/index.ts'
import { newId } from '../kernel/ids.ts'
import type { Outcome } from '../kernel/outcome.ts'
import {
  createSource,
  createSourceDirectory,
  createSourceStore,
  deleteSource,
  ensureSystemSource,
  ensureSystemSources,
  rotateSourceSecret,
  rotateSourceToken,
  type Source,
  type UpdateSourceInput,
  updateSource,
} from './index.ts'

let configuration: Configuration
beforeAll(async () => {
  configuration = await startConfiguration()
})
afterAll(async () => {
  await configuration.close()
})

async function systemSourceOf(reach: Reach): Promise<Source> {
  const source = await createSourceStore(configuration.orm).byName(reach, 'system')
  if (source === null) throw new Error('no system source')
  return source
}

/** A project as earlier versions made them. */
async function oldProject(): Promise<Reach> {
  const id = newId('prj')
  await configuration.sql.query(`insert into projects (id, name, created_at) values ($1, $1, now())`, [id])
  return { projectId: id, sourceIds: null }
}

test('a new project has a source named system, and no other can take the name', async () => {
  const reach = await configuration.newProject()
  expect(await systemSourceOf(reach)).toMatchObject({ isSystem: true, tokenHash: null, allowedMethods: [] })
  expect(await createSource(configuration, reach, { name: 'system' })).toMatchObject({ kind: 'name-taken' })
  const other = doneValue(await createSource(configuration, reach, { name: 'other' }))
  expect(await updateSource(configuration, reach, { id: other.id, name: 'system' })).toMatchObject({
    kind: 'name-taken',
  })
})

test('only the retention of the system source can be changed, and it cannot be deleted', async () => {
  const reach = await configuration.newProject()
  const { id } = await systemSourceOf(reach)
  const conflict = { kind: 'state-conflict' }
  const changes: Omit<UpdateSourceInput, 'id'>[] = [
    { name: 'mine' },
    { isPaused: true },
    { verification: null },
    { retention: { maxMessages: 5 }, maxBodyBytes: 9 },
  ]
  for (const change of changes) {
    expect(await updateSource(configuration, reach, { id, ...change })).toMatchObject(conflict)
  }
  const attempts: Outcome<unknown>[] = [
    await rotateSourceToken(configuration, reach, { id, overlapMs: 0 }),
    await rotateSourceSecret(configuration, reach, { ownerId: id, overlapMs: 0 }),
    await deleteSource(configuration, reach, { id }),
  ]
  for (const attempt of attempts) expect(attempt).toMatchObject(conflict)
  const changed = doneValue(await updateSource(configuration, reach, { id, retention: { maxMessages: 5 } }))
  expect(changed).toMatchObject({ name: 'system', isPaused: false, retention: { maxMessages: 5 } })
})

test('nothing that takes messages finds the system source', async () => {
  const reach = await configuration.newProject()
  const { id } = await systemSourceOf(reach)
  const directory = createSourceDirectory(configuration)
  expect(await directory.byId(id)).toBeNull()
  expect(await directory.byName(reach.projectId, 'system')).toBeNull()
  // Found by its id alone, a source of the client's is there.
  const own = doneValue(await createSource(configuration, reach, { name: 'own' }))
  expect(await directory.byId(own.id)).toMatchObject({ name: 'own' })
})

test('a key that is limited to other sources does not see the system source', async () => {
  const reach = await configuration.newProject()
  const { id } = await systemSourceOf(reach)
  const own = doneValue(await createSource(configuration, reach, { name: 'own' }))
  const store = createSourceStore(configuration.orm)
  const limited = { ...reach, sourceIds: new Set([own.id]) }
  expect((await store.page(limited, { first: 10, after: null })).rows).toMatchObject([{ name: 'own' }])
  expect(await store.byIds(limited, [id])).toEqual([])
  expect(await updateSource(configuration, limited, { id, retention: null })).toMatchObject({ kind: 'not-found' })
  expect(await store.byIds({ ...reach, sourceIds: new Set([id]) }, [id])).toMatchObject([{ name: 'system' }])
})

test('a source of an older project that is named system keeps its name; the built-in one gets another', async () => {
  const reach = await oldProject()
  const theirs = doneValue(await createSource(configuration, reach, { name: 'system' }))
  const bare = await oldProject()
  await ensureSystemSources(configuration.sql)
  await ensureSystemSources(configuration.sql)
  const { rows } = await createSourceStore(configuration.orm).page(reach, { first: 10, after: null })
  expect(rows).toMatchObject([
    { name: 'hookline-system', isSystem: true },
    { id: theirs.id, name: 'system', isSystem: false },
  ])
  expect(await systemSourceOf(bare)).toMatchObject({ isSystem: true })
})

test('of many who need the system source at once all get the same one', async () => {
  const { projectId } = await oldProject()
  const ids = await Promise.all(Array.from({ length: 5 }, () => ensureSystemSource(configuration.sql, projectId)))
  expect(new Set(ids).size).toBe(1)
  const heads = await configuration.sql.query(`select * from source_heads where project_id = $1::text`, [projectId])
  expect(heads).toHaveLength(1)
})
