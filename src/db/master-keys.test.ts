import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Configuration, startConfiguration } from '../../test/support/configuration.ts'
import { createSealer, generateMasterKey, type MasterKey, parseMasterKeys } from '../secrets/index.ts'
import { createSource } from '../sources/index.ts'
import { registerMasterKeys } from './master-keys.ts'

let configuration: Configuration
beforeAll(async () => {
  configuration = await startConfiguration()
})
afterAll(async () => {
  await configuration.close()
})

function newKey(id: string): MasterKey {
  const parsed = parseMasterKeys(`${id}:${generateMasterKey().split(':')[1]}`)
  const [key] = parsed.ok ? parsed.keys : []
  if (key === undefined) throw new Error('no key')
  return key
}

test('a start is refused with another key under a known id, or without a key that something is sealed under', async () => {
  const { sql } = configuration
  const [first, second] = [newKey('first'), newKey('second')]
  await registerMasterKeys(sql, [first])
  await registerMasterKeys(sql, [first])
  await expect(registerMasterKeys(sql, [newKey('first')])).rejects.toMatchObject({
    code: 'MASTER_KEY_WRONG',
    publicMessage: expect.stringContaining('"first"'),
  })

  const reach = await configuration.newProject()
  const sealed = { ...configuration, sealer: createSealer([first]) }
  await createSource(sealed, reach, { name: 'orders' })
  await expect(registerMasterKeys(sql, [second])).rejects.toMatchObject({
    code: 'MASTER_KEY_MISSING',
    publicMessage: expect.stringContaining('"first"'),
  })
  await registerMasterKeys(sql, [second, first])
})

test('a key that seals nothing any more may be left out', async () => {
  const unused = await startConfiguration()
  try {
    await registerMasterKeys(unused.sql, [newKey('old')])
    await registerMasterKeys(unused.sql, [newKey('new')])
  } finally {
    await unused.close()
  }
})
