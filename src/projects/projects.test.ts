import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Configuration, doneValue, issuesOf, startConfiguration } from '../../test/support/configuration.ts'
import { createProject, findProject } from './index.ts'

let configuration: Configuration
beforeAll(async () => {
  configuration = await startConfiguration()
})
afterAll(async () => {
  await configuration.close()
})

test('a project is found by its id and by its name', async () => {
  const project = doneValue(await createProject(configuration, { name: 'shop' }))
  expect(project).toMatchObject({ id: expect.stringMatching(/^prj_/), name: 'shop', createdAt: expect.any(Date) })
  expect(await findProject(configuration, { name: 'shop' })).toMatchObject({ id: project.id, name: 'shop' })
  expect(await findProject(configuration, { id: project.id })).toMatchObject({ name: 'shop' })
  expect(await findProject(configuration, { name: 'nowhere' })).toBeNull()
})

test('of those who create a project with one name at the same time exactly one gets it', async () => {
  const outcomes = await Promise.all(Array.from({ length: 6 }, () => createProject(configuration, { name: 'race' })))
  expect(outcomes.filter((outcome) => outcome.kind === 'done')).toHaveLength(1)
  expect(outcomes.filter((outcome) => outcome.kind === 'name-taken')).toHaveLength(5)
})

test.each([
  ['', 'REQUIRED'],
  ['Shop', 'MALFORMED'],
  ['shop\0', 'MALFORMED'],
  ['shop\n', 'MALFORMED'],
  ['a'.repeat(64), 'OUT_OF_RANGE'],
])('a project is not called %j', async (name, code) => {
  expect(issuesOf(await createProject(configuration, { name }))).toEqual([`${code} input.name`])
})
