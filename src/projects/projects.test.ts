import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Configuration, doneValue, issuesOf, startConfiguration } from '../../test/support/configuration.ts'
import { createProject } from '../sources/index.ts'
import { findProject, updateProject } from './index.ts'

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

test('the ceilings of a project are changed one by one', async () => {
  const { projectId } = await configuration.newProject()
  const unlimited = { maxMessages: null, maxBytes: null, maxAgeHours: null }
  expect(await findProject(configuration, { id: projectId })).toMatchObject({ rateLimit: null, retention: null })
  const change = async (input: Parameters<typeof updateProject>[2]) => {
    doneValue(await updateProject(configuration, projectId, input))
    return await findProject(configuration, { id: projectId })
  }
  const rateLimit = { count: 1_000_000_000, windowMs: 3_600_000 }
  expect(await change({ rateLimit })).toMatchObject({ rateLimit, retention: null })
  const retention = { ...unlimited, maxBytes: Number.MAX_SAFE_INTEGER }
  expect(await change({ retention: { maxBytes: Number.MAX_SAFE_INTEGER } })).toMatchObject({ rateLimit, retention })
  expect(await change({ retention: {} })).toMatchObject({ rateLimit, retention: unlimited })
  expect(await change({ rateLimit: null, retention: null })).toMatchObject({ rateLimit: null, retention: null })
})

test.each([
  [{ rateLimit: { count: 0, windowMs: 999 } }, ['rateLimit.count', 'rateLimit.windowMs']],
  [{ rateLimit: { count: 1_000_000_001, windowMs: 3_600_001 } }, ['rateLimit.count', 'rateLimit.windowMs']],
  [{ rateLimit: { count: 1.5, windowMs: Number.NaN } }, ['rateLimit.count', 'rateLimit.windowMs']],
  [
    { retention: { maxMessages: 0, maxBytes: -1, maxAgeHours: 0 } },
    ['retention.maxMessages', 'retention.maxBytes', 'retention.maxAgeHours'],
  ],
  [{ retention: { maxAgeHours: 1_000_001 } }, ['retention.maxAgeHours']],
])('a project has no ceilings of %j', async (input, fields) => {
  const { projectId } = await configuration.newProject()
  const expected = fields.map((field) => `OUT_OF_RANGE input.${field}`)
  expect(issuesOf(await updateProject(configuration, projectId, input))).toEqual(expected)
  expect(await findProject(configuration, { id: projectId })).toMatchObject({ rateLimit: null, retention: null })
})
