import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Configuration, doneValue, issuesOf, startConfiguration } from '../../test/support/configuration.ts'
import { until } from '../../test/support/until.ts'
import { newId } from '../kernel/ids.ts'
import { sign } from '../signatures/standard-webhooks.ts'
import { createEndpoint, createEndpointDirectory, type EndpointDirectory } from './index.ts'
import { rotateEndpointSecret } from './rotate-endpoint-secret.ts'

let configuration: Configuration
beforeAll(async () => {
  configuration = await startConfiguration()
})
afterAll(async () => {
  await configuration.close()
})

const overlapMs = 60_000
const content = { id: 'msg_1', timestampSeconds: 1_614_265_330, body: Buffer.from('{}') }

async function newEndpoint() {
  const reach = await configuration.newProject()
  const input = { url: 'https://receiver.example/' }
  const { endpoint, secret } = doneValue(await createEndpoint(configuration, reach, input))
  return { reach, ownerId: endpoint.id, first: secret }
}

function signatureBy(secret: string): string {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  return `v1,${createHmac('sha256', key).update(`msg_1.${content.timestampSeconds}.{}`).digest('base64')}`
}

async function signatureOf(
  directory: EndpointDirectory,
  id: Parameters<EndpointDirectory['byId']>[0],
): Promise<string> {
  return sign({ ...content, secrets: (await directory.byId(id))?.secrets ?? [] })
}

test('through the overlap deliveries are signed by both secrets, the new one first', async () => {
  const { reach, ownerId, first } = await newEndpoint()
  const { secret, secrets } = doneValue(await rotateEndpointSecret(configuration, reach, { ownerId, overlapMs }))
  expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
  expect(secrets).toMatchObject([{ expiresAt: null }, { expiresAt: expect.any(Date) }])
  const directory = createEndpointDirectory(configuration)
  expect(await signatureOf(directory, ownerId)).toBe(`${signatureBy(secret)} ${signatureBy(first)}`)
})

test('a secret whose overlap is over signs no more, also where it was in use', async () => {
  const { reach, ownerId, first } = await newEndpoint()
  const { secret } = doneValue(await rotateEndpointSecret(configuration, reach, { ownerId, overlapMs }))
  await configuration.sql.query(
    `update secrets
        set expires_at = clock_timestamp() + interval '300 ms'
      where owner_id = $1::text and expires_at is not null`,
    [ownerId],
  )
  const directory = createEndpointDirectory(configuration)
  expect(await signatureOf(directory, ownerId)).toContain(signatureBy(first))
  await until(() => signatureOf(directory, ownerId), signatureBy(secret))
})

test('a given secret must be of the form of Standard Webhooks', async () => {
  const { reach, ownerId } = await newEndpoint()
  const attempt = { ownerId, secret: 'whsec_%', overlapMs: -1 }
  expect(issuesOf(await rotateEndpointSecret(configuration, reach, attempt))).toEqual([
    'MALFORMED input.secret',
    'OUT_OF_RANGE input.overlapMs',
  ])
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
  const rotated = doneValue(await rotateEndpointSecret(configuration, reach, { ownerId, secret, overlapMs: 0 }))
  expect(rotated).toMatchObject({ secret, secrets: [{ hint: 'LaSw' }] })
})

test("another project's endpoint answers like one that does not exist", async () => {
  const { reach, ownerId } = await newEndpoint()
  const stranger = await configuration.newProject()
  for (const [from, id] of [
    [stranger, ownerId],
    [reach, newId('ept')],
  ] as const) {
    const outcome = await rotateEndpointSecret(configuration, from, { ownerId: id, overlapMs })
    expect(outcome).toEqual({ kind: 'not-found', id, path: ['input', 'ownerId'] })
  }
})
