import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { dataOf, type Loose, type Target } from './client.ts'
import { type Gateway, type Project, startGateway } from './gateway.ts'

let gateway: Gateway
let project: Project
let target: Target
beforeAll(async () => {
  gateway = await startGateway()
  project = await gateway.newProject()
  target = { baseUrl: gateway.baseUrl, token: (await project.key(['manage'])).token }
})
afterAll(() => gateway.close())

const fields =
  'id status disabledReason health { consecutiveFailureCount failingSince breaker nextProbeAt throttledUntil }'
const healthy = {
  consecutiveFailureCount: 0,
  failingSince: null,
  breaker: 'CLOSED',
  nextProbeAt: null,
  throttledUntil: null,
}

async function change(name: 'pauseEndpoint' | 'resumeEndpoint', id: string): Promise<Loose> {
  const type = name === 'pauseEndpoint' ? 'PauseEndpointInput' : 'ResumeEndpointInput'
  const query = `mutation ($input: ${type}!) {
    ${name}(input: $input) { __typename ... on EndpointPayload { endpoint { ${fields} } } ... on UserError { code path } }
  }`
  return (await dataOf(target, query, { input: { id } }))[name]
}

async function stateOf(id: string): Promise<Loose> {
  return (await dataOf(target, `query ($id: ID!) { endpoint(id: $id) { ${fields} } }`, { id })).endpoint
}

test('an endpoint is paused, twice without an error, and resumed; each answer tells what it now is', async () => {
  const { id } = await project.endpoint('http://127.0.0.1:9/')
  expect(await stateOf(id)).toEqual({ id, status: 'ACTIVE', disabledReason: null, health: healthy })
  for (let i = 0; i < 2; i += 1) {
    expect(await change('pauseEndpoint', id)).toMatchObject({ endpoint: { id, status: 'PAUSED' } })
  }
  expect(await change('resumeEndpoint', id)).toMatchObject({ endpoint: { id, status: 'ACTIVE' } })
})

test('two changes in one document each tell what they led to', async () => {
  const { id } = await project.endpoint('http://127.0.0.1:9/')
  const payload = '... on EndpointPayload { endpoint { status } }'
  const data = await dataOf(
    target,
    `mutation ($id: ID!) {
      pauseEndpoint(input: { id: $id }) { ${payload} }
      resumeEndpoint(input: { id: $id }) { ${payload} }
    }`,
    { id },
  )
  expect(data).toEqual({
    pauseEndpoint: { endpoint: { status: 'PAUSED' } },
    resumeEndpoint: { endpoint: { status: 'ACTIVE' } },
  })
})

test('what a receiver does shows in its health, and resuming begins afresh', async () => {
  const source = await project.source('failing')
  const { id } = await project.endpoint('http://127.0.0.1:9/', [source.id])
  await project.message(source)
  await until(async () => (await stateOf(id)).health.consecutiveFailureCount, 1)
  expect((await stateOf(id)).health.failingSince).not.toBeNull()
  await gateway.sql.query(
    `update endpoint_states
        set breaker = 'open', next_probe_at = now() + interval '1 hour', throttled_until = now() + interval '1 hour',
            status = 'disabled', disabled_reason = 'It answered 410.'
      where endpoint_id = $1`,
    [id],
  )
  expect(await stateOf(id)).toMatchObject({
    status: 'DISABLED',
    disabledReason: 'It answered 410.',
    health: { breaker: 'OPEN', nextProbeAt: expect.any(String), throttledUntil: expect.any(String) },
  })
  expect(await change('pauseEndpoint', id)).toMatchObject({ endpoint: { status: 'DISABLED' } })
  await gateway.sql.query(`update endpoint_states set next_probe_at = now() where endpoint_id = $1`, [id])
  expect((await stateOf(id)).health).toMatchObject({ breaker: 'HALF_OPEN', nextProbeAt: null })
  expect(await change('resumeEndpoint', id)).toMatchObject({ endpoint: { status: 'ACTIVE', disabledReason: null } })
})

test('the states of a list are read in one statement', async () => {
  const count = () =>
    gateway.statementsOf(() => dataOf(target, `{ endpoints(first: 50) { nodes { ${fields} } } }`)).then((s) => s.length)
  const before = await count()
  for (let i = 0; i < 5; i += 1) await project.endpoint(`http://127.0.0.1:9/${i}`)
  expect(await count()).toBe(before)
})
