import { afterAll, beforeAll, expect, test } from 'vitest'
import { codesOf, dataOf, run, type Target } from './client.ts'
import { type Gateway, type Project, startGateway } from './gateway.ts'

let gateway: Gateway
let project: Project
let target: Target
beforeAll(async () => {
  gateway = await startGateway()
  project = await gateway.newProject()
  target = await targetOf(project)
})
afterAll(() => gateway.close())

async function targetOf(of: Project, sourceIds?: readonly `src_${string}`[]): Promise<Target> {
  const { token } = await of.key(['admin'], sourceIds === undefined ? {} : { sourceIds })
  return { baseUrl: gateway.baseUrl, token }
}

const ceilings = 'rateLimit { count windowMs } retention { maxMessages maxBytes maxAgeHours }'
const update = `mutation ($input: UpdateProjectInput!) { updateProject(input: $input) {
  ... on ProjectPayload { project { ${ceilings} } }
  ... on ValidationError { issues { code path } }
} }`
const change = async (input: object) => (await dataOf(target, update, { input })).updateProject
const shown = async () => (await dataOf(target, `{ project { ${ceilings} } }`)).project

test('without a rule of its own a project keeps messages as the server does', async () => {
  const retention = { maxMessages: null, maxBytes: null, maxAgeHours: 720 }
  expect(await shown()).toEqual({ rateLimit: null, retention })
})

test('what is left out of a change stays, and null goes back to the default', async () => {
  const before = await shown()
  const rateLimit = { count: 100, windowMs: 1_000 }
  expect((await change({ rateLimit: { count: 100 } })).project).toEqual({ ...before, rateLimit })
  const retention = { maxMessages: 10, maxBytes: 2 ** 40, maxAgeHours: null }
  expect((await change({ retention: { maxMessages: 10, maxBytes: 2 ** 40 } })).project).toEqual({
    rateLimit,
    retention,
  })
  expect(await shown()).toEqual({ rateLimit, retention })
  expect((await change({ rateLimit: null, retention: null })).project).toEqual(before)
})

test('what is wrong with a change is told all at once', async () => {
  const before = await shown()
  const { issues } = await change({ rateLimit: { count: 0, windowMs: 10 }, retention: { maxAgeHours: 0 } })
  expect(issues).toEqual([
    { code: 'OUT_OF_RANGE', path: ['input', 'rateLimit', 'count'] },
    { code: 'OUT_OF_RANGE', path: ['input', 'rateLimit', 'windowMs'] },
    { code: 'OUT_OF_RANGE', path: ['input', 'retention', 'maxAgeHours'] },
  ])
  expect(await shown()).toEqual(before)
})

test('a key that is limited to some sources does not change what holds for all', async () => {
  const limited = await targetOf(project, [(await project.source()).id])
  expect(codesOf(await run(limited, update, { input: { rateLimit: { count: 1 } } }))).toEqual(['FORBIDDEN'])
})

test('a message shows all that its event says of itself', async () => {
  const source = await project.source()
  const query = 'query ($id: ID!) { message(id: $id) { event { dataSchema extensions } schemaViolation } }'
  const view = async (of: Parameters<Project['message']>[1]) =>
    (await dataOf(target, query, { id: (await project.message(source, of)).id })).message
  expect(await view({})).toEqual({ event: { dataSchema: null, extensions: {} }, schemaViolation: null })
  const extensions = { operation: 'modify', count: -1, urgent: true, constructor: 'x' }
  expect(
    await view({
      eventDataSchema: 'https://x.example/s',
      eventExtensions: JSON.stringify(extensions),
      schemaViolation: '/n is no number',
    }),
  ).toEqual({ event: { dataSchema: 'https://x.example/s', extensions }, schemaViolation: '/n is no number' })
})
