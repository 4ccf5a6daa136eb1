import { afterAll, beforeAll, expect, test } from 'vitest'
import { codesOf, type Loose, overEventStream, overWebSocket, type Subscription } from './client.ts'
import { type Gateway, startGateway } from './gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.close())

const query = `subscription ($sourceIds: [ID!]!, $after: [Cursor!], $filter: MessageFilter) {
  messageReceived(sourceIds: $sourceIds, after: $after, filter: $filter) {
    __typename cursor source { name } ... on MessageReceived { message { sequence text } }
  }
}`

async function next(subscription: Subscription): Promise<Loose> {
  const result = await subscription.next()
  if (result?.errors) throw new Error(JSON.stringify(result.errors))
  return result?.data.messageReceived ?? null
}

async function newTarget() {
  const project = await gateway.newProject()
  const target = { baseUrl: gateway.baseUrl, token: (await project.key(['listen'])).token }
  return { project, target, source: await project.source('shop') }
}

test.each([
  ['WebSocket', overWebSocket],
  ['SSE', overEventStream],
])('over %s a stream gives what matches, and goes on after what was hidden', async (_name, transport) => {
  const { project, target, source } = await newTarget()
  const variables = {
    sourceIds: [source.id],
    filter: { all: [{ exact: { name: 'source', value: '/sources/shop' } }, { data: { pointer: '/n', value: 2 } }] },
  }
  const record = (n: number) => project.message(source, { body: Buffer.from(`{"n":${n}}`) })
  const stream = transport(target, query, variables)
  expect(await next(stream)).toMatchObject({ __typename: 'CaughtUp' })
  for (const n of [1, 2, 3, 2]) await record(n)
  const second = await next(stream)
  expect(second).toMatchObject({ __typename: 'MessageReceived', message: { sequence: 2, text: '{"n":2}' } })
  expect(await next(stream)).toMatchObject({ message: { sequence: 4 } })
  await stream.end()
  await record(5)
  const resumed = transport(target, query, { ...variables, after: [second.cursor] })
  expect(await next(resumed)).toMatchObject({ message: { sequence: 4 } })
  const caughtUp = await next(resumed)
  expect(caughtUp).toMatchObject({ __typename: 'CaughtUp' })
  await record(2)
  const later = transport(target, query, { ...variables, after: [caughtUp.cursor] })
  expect(await next(later)).toMatchObject({ message: { sequence: 6 } })
})

test('a reader who is shown nothing for 1,000 messages is told how far it has come', async () => {
  const { project, target, source } = await newTarget()
  const stream = overWebSocket(target, query, { sourceIds: [source.id], filter: { types: ['nothing'] } })
  expect(await next(stream)).toMatchObject({ __typename: 'CaughtUp' })
  await Promise.all(Array.from({ length: 1_000 }, () => project.message(source)))
  const progressed = await next(stream)
  expect(progressed).toMatchObject({ __typename: 'Progressed', source: { name: 'shop' } })
  await project.message(source)
  const all = overWebSocket(target, query, { sourceIds: [source.id], after: [progressed.cursor] })
  expect(await next(all)).toMatchObject({ message: { sequence: 1_001 } })
})

test('a stream with a filter that is not acceptable does not begin', async () => {
  const { target, source } = await newTarget()
  const stream = overWebSocket(target, query, { sourceIds: [source.id], filter: { not: { types: [] } } })
  const result = await stream.next()
  expect(codesOf(result)).toEqual(['BAD_USER_INPUT'])
  expect(result.errors[0].message).toContain('`filter.not.types`')
})
