import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { codesOf, post, run } from './client.ts'
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
