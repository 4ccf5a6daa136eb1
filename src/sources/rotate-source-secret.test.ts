import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Configuration, doneValue, issuesOf, startConfiguration } from '../../test/support/configuration.ts'
import type { Reach } from '../auth/index.ts'
import { newId, type SourceId } from '../kernel/ids.ts'
import {
  createSource,
  createSourceDirectory,
  rotateSourceSecret,
  type SourceDirectory,
  updateSource,
  type VerificationInput,
} from './index.ts'

let configuration: Configuration
let reach: Reach
beforeAll(async () => {
  configuration = await startConfiguration()
  reach = await configuration.newProject()
})
afterAll(async () => {
  await configuration.close()
})

const overlapMs = 60_000
let sources = 0

async function newSource(verification: VerificationInput | null): Promise<SourceId> {
  sources += 1
  return doneValue(await createSource(configuration, reach, { name: `source-${sources}`, verification })).id
}

function github(secret: string): VerificationInput {
  return { preset: { preset: 'GITHUB', secret } }
}

async function isAccepted(directory: SourceDirectory, id: SourceId, secret: string): Promise<boolean> {
  const body = Buffer.from('{}')
  const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
  const headers = { 'x-hub-signature-256': signature }
  const request = { method: 'POST', url: 'https://h.example/', query: null, headers, body }
  return (await directory.byId(id))?.verifier?.verify(request, Date.now()).kind === 'verified'
}

async function secretRows(id: SourceId): Promise<{ id: string; expires_at: Date | null }[]> {
  return await configuration.sql.query(
    `select id, expires_at from secrets where owner_id = $1::text order by id desc`,
    [id],
  )
}

test('both secrets are taken through the overlap, then the new one alone', async () => {
  const ownerId = await newSource(github('the first secret'))
  const directory = createSourceDirectory(configuration)
  const rotated = doneValue(await rotateSourceSecret(configuration, reach, { ownerId, overlapMs }))
  expect(rotated.secret.length).toBeGreaterThanOrEqual(16)
  expect(rotated.secrets).toMatchObject([
    { hint: rotated.secret.slice(-4), expiresAt: null },
    { hint: 'cret', expiresAt: expect.any(Date) },
  ])
  expect(await isAccepted(directory, ownerId, 'the first secret')).toBe(true)
  expect(await isAccepted(directory, ownerId, rotated.secret)).toBe(true)
  await configuration.sql.query(
    `update secrets set expires_at = now() - interval '1 ms' where owner_id = $1::text and expires_at is not null`,
    [ownerId],
  )
  const fresh = createSourceDirectory(configuration)
  expect(await isAccepted(fresh, ownerId, 'the first secret')).toBe(false)
  expect(await isAccepted(fresh, ownerId, rotated.secret)).toBe(true)
})

test('a second process takes the new secret and refuses the old one, without a bus', async () => {
  const ownerId = await newSource(github('the first secret'))
  const elsewhere = createSourceDirectory({ ...configuration, ...(await configuration.secondProcess()) })
  expect(await isAccepted(elsewhere, ownerId, 'the first secret')).toBe(true)
  const { secret } = doneValue(await rotateSourceSecret(configuration, reach, { ownerId, overlapMs: 0 }))
  await expect.poll(() => isAccepted(elsewhere, ownerId, secret), { timeout: 10_000 }).toBe(true)
  expect(await isAccepted(elsewhere, ownerId, 'the first secret')).toBe(false)
})

test('without overlap every older secret ends at once', async () => {
  const ownerId = await newSource(github('the first secret'))
  doneValue(await rotateSourceSecret(configuration, reach, { ownerId, overlapMs: 604_800_000 }))
  const last = doneValue(await rotateSourceSecret(configuration, reach, { ownerId, overlapMs: 0 }))
  expect(last.secrets).toHaveLength(1)
  expect(await secretRows(ownerId)).toMatchObject([{ id: last.secrets[0]?.id, expires_at: null }])
})

test('a shorter overlap shortens those before it, a longer one prolongs none', async () => {
  const ownerId = await newSource(github('the first secret'))
  doneValue(await rotateSourceSecret(configuration, reach, { ownerId, overlapMs }))
  const [, first] = await secretRows(ownerId)
  doneValue(await rotateSourceSecret(configuration, reach, { ownerId, overlapMs: 604_800_000 }))
  expect((await secretRows(ownerId))[2]).toEqual(first)
  doneValue(await rotateSourceSecret(configuration, reach, { ownerId, overlapMs: 1_000 }))
  const [, ...older] = await secretRows(ownerId)
  for (const { expires_at } of older) expect(expires_at?.getTime()).toBeLessThan(Date.now() + 1_001)
})

test('at most five secrets are tried: of more the oldest end at once', async () => {
  const ownerId = await newSource(github('the oldest secret'))
  const secrets: string[] = []
  for (let round = 0; round < 5; round++) {
    const rotated = doneValue(await rotateSourceSecret(configuration, reach, { ownerId, overlapMs }))
    secrets.push(rotated.secret)
    expect(rotated.secrets).toHaveLength(Math.min(round + 2, 5))
  }
  const directory = createSourceDirectory(configuration)
  for (const secret of secrets) expect(await isAccepted(directory, ownerId, secret)).toBe(true)
  expect(await isAccepted(directory, ownerId, 'the oldest secret')).toBe(false)
})

test('a secret set by a machine whose clock is fast does not outlast the ones that follow', async () => {
  const ownerId = await newSource(github('the first secret'))
  await configuration.sql.query(`update secrets set id = 'sec_7' || substr(id, 6) where owner_id = $1::text`, [ownerId])
  const { secret, secrets } = doneValue(await rotateSourceSecret(configuration, reach, { ownerId, overlapMs }))
  expect(secrets).toMatchObject([{ hint: secret.slice(-4) }, { hint: 'cret' }])
  for (let round = 0; round < 4; round++) {
    doneValue(await rotateSourceSecret(configuration, reach, { ownerId, overlapMs }))
  }
  expect((await secretRows(ownerId)).map(({ id }) => id.startsWith('sec_7'))).toEqual(Array(5).fill(false))
})

test('of rotations at the same time each is told a secret that counts, and one is the current one', async () => {
  const ownerId = await newSource(github('the first secret'))
  const rotations = Array.from({ length: 4 }, () => rotateSourceSecret(configuration, reach, { ownerId, overlapMs }))
  const secrets = (await Promise.all(rotations)).map((outcome) => doneValue(outcome).secret)
  const rows = await secretRows(ownerId)
  expect(rows.map(({ expires_at }) => expires_at === null)).toEqual([true, false, false, false, false])
  const directory = createSourceDirectory(configuration)
  for (const secret of secrets) expect(await isAccepted(directory, ownerId, secret)).toBe(true)
})

test('a change of the verification leaves no secret from before', async () => {
  const ownerId = await newSource(github('the first secret'))
  doneValue(await rotateSourceSecret(configuration, reach, { ownerId, overlapMs }))
  doneValue(await updateSource(configuration, reach, { id: ownerId, verification: github('another secret') }))
  expect(await secretRows(ownerId)).toHaveLength(1)
  expect(await isAccepted(createSourceDirectory(configuration), ownerId, 'another secret')).toBe(true)
})

test('a secret that is given must fit the scheme', async () => {
  const ownerId = await newSource({ bearer: 'x'.repeat(16) })
  const attempt = async (secret: string, ms = overlapMs) =>
    issuesOf(await rotateSourceSecret(configuration, reach, { ownerId, secret, overlapMs: ms }))
  expect(await attempt('short')).toEqual(['OUT_OF_RANGE input.secret'])
  expect(await attempt('')).toEqual(['REQUIRED input.secret'])
  expect(await attempt(`${'a'.repeat(15)} `)).toEqual(['MALFORMED input.secret'])
  expect(await attempt('short', 604_800_001)).toEqual(['OUT_OF_RANGE input.secret', 'OUT_OF_RANGE input.overlapMs'])
  expect(await secretRows(ownerId)).toHaveLength(1)
  const secret = 'y'.repeat(512)
  expect(doneValue(await rotateSourceSecret(configuration, reach, { ownerId, secret, overlapMs })).secret).toBe(secret)
})

test('a secret that only the provider can make must be given', async () => {
  const publicKey = 'ab'.repeat(32)
  const ownerId = await newSource({ preset: { preset: 'DISCORD', secret: publicKey } })
  expect(issuesOf(await rotateSourceSecret(configuration, reach, { ownerId, overlapMs: -1 }))).toEqual([
    'REQUIRED input.secret',
    'OUT_OF_RANGE input.overlapMs',
  ])
  const secret = 'cd'.repeat(32)
  expect(
    doneValue(await rotateSourceSecret(configuration, reach, { ownerId, secret, overlapMs })).secrets,
  ).toHaveLength(2)
})

test('a source that verifies nobody has no secret to replace', async () => {
  const ownerId = await newSource(null)
  expect(await rotateSourceSecret(configuration, reach, { ownerId, overlapMs })).toEqual({
    kind: 'state-conflict',
    message: expect.stringContaining('verifies nobody'),
    path: ['input', 'ownerId'],
  })
  expect(await secretRows(ownerId)).toEqual([])
})

test("another project's source answers like one that does not exist", async () => {
  const ownerId = await newSource(github('the first secret'))
  const notFound = (id: string) => ({ kind: 'not-found', id, path: ['input', 'ownerId'] })
  const stranger = await configuration.newProject()
  expect(await rotateSourceSecret(configuration, stranger, { ownerId, overlapMs })).toEqual(notFound(ownerId))
  for (const id of [newId('src'), newId('ept'), 'nonsense\0']) {
    expect(await rotateSourceSecret(configuration, reach, { ownerId: id, overlapMs })).toEqual(notFound(id))
  }
  expect(await secretRows(ownerId)).toHaveLength(1)
})
