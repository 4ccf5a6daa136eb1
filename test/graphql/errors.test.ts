import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { codesOf, overWebSocket, post, run } from './client.ts'
import { gatewayOfTest } from './gateway.ts'

test('what fails inside is told without a word of why, and logged once with the id of the request', async () => {
  const gateway = await gatewayOfTest()
  const { token } = await (await gateway.newProject()).key(['read'])
  await gateway.sql.query('alter table endpoints rename to hidden')
  const response = await post({ ...gateway, token }, { query: '{ endpoints { nodes { id } } project { id } }' })
  const requestId = response.headers.get('x-request-id')
  const text = await response.text()
  expect(codesOf(JSON.parse(text))).toEqual(['INTERNAL_ERROR'])
  expect(text).toContain(requestId)
  expect(text).not.toMatch(/relation|hidden|endpoints as|select/)
  const logged = gateway.log.filter((line) => line.requestId === requestId)
  expect(logged).toMatchObject([{ level: 'error', err: { message: expect.stringContaining('endpoints') } }])
})

test('what is stored and cannot be shown is our failure, not the caller’s', async () => {
  const gateway = await gatewayOfTest()
  const project = await gateway.newProject()
  const { token } = await project.key(['listen'])
  const { id } = await project.message(await project.source(), { method: 'BREW' })
  const answer = await run({ ...gateway, token }, `{ message(id: "${id}") { method } }`)
  expect(codesOf(answer)).toEqual(['INTERNAL_ERROR'])
  expect(JSON.stringify(answer)).not.toContain('BREW')
})

test('while the database is away callers are told when to come again, and later are answered', async () => {
  const gateway = await gatewayOfTest()
  const { token } = await (await gateway.newProject()).key(['read'])
  const target = { ...gateway, token }
  const query = '{ sources { nodes { id } } }'
  expect(codesOf(await run(target, query))).toEqual([])
  await gateway.database.cut()
  const answer = await run(target, query)
  expect(codesOf(answer)).toEqual(['UNAVAILABLE'])
  expect(answer.errors?.[0]?.extensions).toEqual({ code: 'UNAVAILABLE', retryAfterMs: 1_000 })
  await gateway.database.mend()
  await until(async () => codesOf(await run(target, query)), [])
})

test('an argument that is null where a number is needed is the caller’s mistake', async () => {
  const gateway = await gatewayOfTest()
  const { token } = await (await gateway.newProject()).key(['read'])
  const answer = await run({ ...gateway, token }, 'query ($n: Int) { sources(first: $n) { nodes { id } } }', {
    n: null,
  })
  expect(codesOf(answer)).toEqual(['BAD_USER_INPUT'])
})

test('a stream waits while the database is away, and then goes on without a loss', async () => {
  const gateway = await gatewayOfTest()
  const project = await gateway.newProject()
  const source = await project.source()
  const { token } = await project.key(['listen', 'read'])
  const stream = overWebSocket(
    { ...gateway, token },
    `subscription ($ids: [ID!]!) { messageReceived(sourceIds: $ids) {
      __typename ... on MessageReceived { message { sequence source { lastSequence } deliveries { nodes { id } } } }
    } }`,
    { ids: [source.id] },
  )
  const caughtUp = { __typename: 'CaughtUp' }
  expect(await stream.next()).toEqual({ data: { messageReceived: caughtUp } })
  await gateway.database.cut()
  for (let index = 0; index < 3; index += 1) await project.message(source)
  const waiting = stream.next()
  await until(() => gateway.log.some(({ msg }) => msg === 'database unavailable'), true)
  await gateway.database.mend()
  const results = [await waiting, await stream.next(), await stream.next()]
  expect(results.flatMap(({ errors = [] }) => errors)).toEqual([])
  expect(results.map(({ data }) => data.messageReceived.message.sequence)).toEqual([1, 2, 3])
})
