import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { createTestDatabase } from '../support/database.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { createSource } from '../support/graphql-client.ts'

test('a first start that finds its port taken leaves the admin key to the next start', async () => {
  const database = await createTestDatabase()
  const environment = { DATABASE_URL: database.databaseUrl, MASTER_KEYS: generateMasterKey() }
  const other = createServer((socket) => socket.destroy())
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  const address = other.address()
  const taken = typeof address === 'object' ? address?.port : undefined
  await expect(startGatewayProcess({ ...environment, PORT: String(taken) })).rejects.toMatchObject({
    message: expect.stringMatching(/Port \d+ on 127\.0\.0\.1 is in use/),
  })
  other.close()
  const gateway = await startGatewayProcess(environment)
  await createSource(gateway.baseUrl, gateway.adminToken(), { name: 'orders' })
  expect(await gateway.stop()).toBe(0)
  await database.drop()
})
