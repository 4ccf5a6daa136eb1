import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Configuration, doneValue, startConfiguration } from '../test/support/configuration.ts'
import { wholeProject } from './auth/index.ts'
import { findOpenSource, prepareFirstStart } from './first-start.ts'
import { createSource, updateSource } from './sources/index.ts'

let configuration: Configuration
beforeAll(async () => {
  configuration = await startConfiguration()
})
afterAll(async () => {
  await configuration.close()
})

test('the address that a newcomer is shown takes requests without any proof', async () => {
  expect(await prepareFirstStart(configuration)).toMatch(/./)
  expect(await prepareFirstStart(configuration)).toBeNull()
  const inbox = await findOpenSource(configuration.orm)
  if (inbox === null) throw new Error('no source')
  const { id, projectId } = inbox
  const reach = wholeProject(projectId)
  const change = async (input: Omit<Parameters<typeof updateSource>[2], 'id'>) => {
    doneValue(await updateSource(configuration, reach, { id, ...input }))
    return (await findOpenSource(configuration.orm))?.id
  }
  expect(await change({ verification: { bearer: 'x'.repeat(16) } })).toBeUndefined()
  expect(await change({ verification: { preset: { preset: 'GITHUB', secret: 'secret' } } })).toBeUndefined()
  expect(await change({ verification: null })).toBe(id)
  expect(await change({ isPaused: true })).toBeUndefined()
  const other = doneValue(await createSource(configuration, reach, { name: 'other' }))
  expect((await findOpenSource(configuration.orm))?.id).toBe(other.id)
})
