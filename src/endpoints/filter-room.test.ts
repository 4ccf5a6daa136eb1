import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Configuration, doneValue, startConfiguration } from '../../test/support/configuration.ts'
import { maxFilterBytes } from './filter-room.ts'
import { createEndpoint, updateEndpoint } from './index.ts'

let configuration: Configuration
beforeAll(async () => {
  configuration = await startConfiguration()
})
afterAll(() => configuration.close())

test('the filters of all endpoints of a project have a bound, and what they are replaced by counts in their stead', async () => {
  const reach = await configuration.newProject()
  const url = 'https://receiver.example/hooks'
  const small = { types: ['a'] }
  const room = JSON.stringify(small).length
  const create = (filter: object | null) => createEndpoint(configuration, reach, { url, filter })
  const { endpoint } = doneValue(await create(small))
  await configuration.sql.query(`update endpoints set filter = repeat('x', $2) where id = $1`, [
    endpoint.id,
    maxFilterBytes - 2 * room,
  ])
  const { endpoint: second } = doneValue(await create(small))
  const full = { kind: 'limit-reached', limit: maxFilterBytes, path: ['input', 'filter'] }
  expect(await create({ types: ['\u00e9b'] })).toEqual(full)
  const update = (filter: object) => updateEndpoint(configuration, reach, { id: second.id, filter })
  expect(await update({ types: ['\u00e9\u00e9'] })).toMatchObject({ kind: 'done' })
  expect(await update({ types: ['a', 'b', 'c', 'd', 'e', 'f'] })).toEqual(full)
  doneValue(await create(null))
  const other = await configuration.newProject()
  doneValue(await createEndpoint(configuration, other, { url, filter: small }))
})
