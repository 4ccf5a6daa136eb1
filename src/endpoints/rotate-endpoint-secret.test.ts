import { createHmac, type KeyObject } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Configuration, doneValue, issuesOf, startConfiguration } from '../../test/support/configuration.ts'
import { until } from '../../test/support/until.ts'
import { newId } from '../kernel/ids.ts'
import { sign } from '../signatures/standard-webhooks.ts'
import type { SigningScheme } from './endpoint.entity.ts'
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

async function newEndpoint(signing: SigningScheme = 'standard-webhooks', given?: string) {
  const reach = await configuration.newProject()
  const input = { url: 'https://receiver.example/', signing, secret: given }
  const { endpoint, secret, publicKey } = doneValue(await createEndpoint(configuration, reach, input))
  return { reach, ownerId: endpoint.id, first: secret, publicKey }
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

// Of the Standard Webhooks libraries: seed and public key.
const seed = '6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc='
const asymmetric = `whsk_${Buffer.concat([
  Buffer.from(seed, 'base64'),
  Buffer.from('1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=', 'base64'),
]).toString('base64')}`
const publicKey = 'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4='
const plain = 'correct horse battery staple'

test.each([
  [
    'standard-webhooks',
    'w',
    'whsec_%',
    'whsec_wronglength',
    publicKey,
    asymmetric,
    plain,
    'hwsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  ],
  [
    'standard-webhooks-ed25519',
    'w',
    'whsk_%',
    'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    publicKey,
    `whsk_${seed.slice(4)}`,
  ],
  ['standard-webhooks-ed25519', asymmetric.replace('Kvg==', 'Kvw=='), `${asymmetric} `, plain],
  ['plain-sha256', 'w', '', 'a'.repeat(15), `${plain}\n`, 'café'.repeat(9), 'a'.repeat(257)],
  [
    'plain-sha256',
    'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    asymmetric,
    publicKey,
    'hwsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  ],
] as [SigningScheme, ...string[]][])('a secret of another form does not sign by %s', async (signing, ...secrets) => {
  const { reach, ownerId } = await newEndpoint()
  for (const secret of secrets) {
    const input = { url: 'https://receiver.example/', signing, secret }
    expect(issuesOf(await createEndpoint(configuration, reach, input)), secret).toEqual(['MALFORMED input.secret'])
    const outcome = await rotateEndpointSecret(configuration, reach, { ownerId, signing, secret, overlapMs })
    expect(issuesOf(outcome), secret).toEqual(['MALFORMED input.secret'])
  }
})

test.each([asymmetric, `whsk_${seed}`])('the ed25519 secret %s signs, and its public key is shown', async (secret) => {
  const endpoint = await newEndpoint('standard-webhooks-ed25519', secret)
  expect(endpoint).toMatchObject({ first: secret, publicKey })
  const [key] = (await createEndpointDirectory(configuration).byId(endpoint.ownerId))?.secrets ?? []
  expect(key).toMatchObject({ type: 'private', asymmetricKeyType: 'ed25519' })
})

test('after a change of the scheme each secret signs in its own form until its overlap is over', async () => {
  const { reach, ownerId, first } = await newEndpoint()
  const rotate = async (signing: SigningScheme, given?: string) =>
    doneValue(await rotateEndpointSecret(configuration, reach, { ownerId, signing, secret: given, overlapMs }))
  const keys = async () => {
    const endpoint = await createEndpointDirectory(configuration).byId(ownerId)
    const told = (secrets: readonly KeyObject[] = []) =>
      secrets.map((key) => (key.type === 'private' ? 'ed25519' : key.export().toString('base64')))
    return { signing: endpoint?.signing, secrets: told(endpoint?.secrets), otherSecrets: told(endpoint?.otherSecrets) }
  }
  const firstKey = first.slice('whsec_'.length)
  const plainKey = Buffer.from(plain).toString('base64')

  const asymmetricRotation = await rotate('standard-webhooks-ed25519')
  expect(asymmetricRotation.secret).toMatch(/^whsk_[A-Za-z0-9+/]{86}==$/)
  expect(asymmetricRotation.secrets).toMatchObject([
    { publicKey: expect.stringMatching(/^whpk_/) },
    { publicKey: null },
  ])
  expect(await keys()).toEqual({
    signing: 'standard-webhooks-ed25519',
    secrets: ['ed25519', firstKey],
    otherSecrets: [],
  })

  await rotate('plain-sha256', plain)
  expect(await keys()).toEqual({ signing: 'plain-sha256', secrets: [plainKey], otherSecrets: ['ed25519', firstKey] })

  // Left out: the scheme stays.
  const again = doneValue(await rotateEndpointSecret(configuration, reach, { ownerId, overlapMs: 0 }))
  expect(again.secret).toMatch(/^[\w-]{43}$/)
  expect(await keys()).toEqual({
    signing: 'plain-sha256',
    secrets: [Buffer.from(again.secret).toString('base64')],
    otherSecrets: [],
  })
})
