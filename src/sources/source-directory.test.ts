import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Configuration, doneValue, startConfiguration } from '../../test/support/configuration.ts'
import { until } from '../../test/support/until.ts'
import type { Reach } from '../auth/index.ts'
import { newId, type SourceId } from '../kernel/ids.ts'
import {
  createSource,
  createSourceDirectory,
  deleteSource,
  ingressUrlOf,
  rotateSourceToken,
  type Source,
  updateSource,
} from './index.ts'
import type { VerificationInput } from './verification-input.ts'

let configuration: Configuration
beforeAll(async () => {
  configuration = await startConfiguration()
})
afterAll(async () => {
  await configuration.close()
})

function tokenOf(source: Source): string {
  return ingressUrlOf({ sealer: configuration.sealer, publicUrl: '' }, source)?.slice('/in/'.length) ?? ''
}

async function projectNameOf({ projectId }: Reach): Promise<string> {
  const rows = await configuration.sql.query<{ name: string }>(`select name from projects where id = $1::text`, [
    projectId,
  ])
  return rows[0]?.name ?? ''
}

async function endFormerTokens(sourceId: SourceId): Promise<void> {
  await configuration.sql.query(
    `update former_tokens set expires_at = now() - interval '1 ms' where source_id = $1::text`,
    [sourceId],
  )
}

async function formerTokens(sourceId: SourceId): Promise<object[]> {
  return await configuration.sql.query(`select 1 from former_tokens where source_id = $1::text`, [sourceId])
}

const github: VerificationInput = { preset: { preset: 'GITHUB', secret: 'secret' } }

test('a named address exists exactly while its source verifies', async () => {
  const reach = await configuration.newProject()
  const project = await projectNameOf(reach)
  const directory = createSourceDirectory(configuration)
  const { id } = doneValue(await createSource(configuration, reach, { name: 'named' }))
  expect(await directory.byQueue(project, 'named')).toBeNull()
  expect(await directory.byName(reach.projectId, 'named')).toMatchObject({ id })
  doneValue(await updateSource(configuration, reach, { id, verification: { bearer: 'x'.repeat(16) } }))
  expect(await directory.byQueue(project, 'named')).toMatchObject({ id, preset: null })
  expect(await directory.byQueue('another', 'named')).toBeNull()
  expect(await directory.byQueue(project, 'another')).toBeNull()
  doneValue(await updateSource(configuration, reach, { id, name: 'renamed' }))
  expect(await directory.byQueue(project, 'named')).toBeNull()
  expect(await directory.byQueue(project, 'renamed')).toMatchObject({ id, name: 'renamed' })
  doneValue(await updateSource(configuration, reach, { id, verification: null }))
  expect(await directory.byQueue(project, 'renamed')).toBeNull()
})

test('no text in place of a name leads anywhere', async () => {
  const reach = await configuration.newProject()
  const directory = createSourceDirectory(configuration)
  doneValue(await createSource(configuration, reach, { name: 'named', verification: github }))
  for (const name of ['', 'NAMED', 'named/', '/named', '..', '\0', 'a'.repeat(64), `named' or true --`]) {
    expect(await directory.byQueue(await projectNameOf(reach), name)).toBeNull()
    expect(await directory.byName(reach.projectId, name)).toBeNull()
  }
})

test('sources of one name in two projects are two', async () => {
  const [first, second] = [await configuration.newProject(), await configuration.newProject()]
  const directory = createSourceDirectory(configuration)
  const ids = new Set<SourceId | undefined>()
  for (const reach of [first, second]) {
    doneValue(await createSource(configuration, reach, { name: 'same', verification: github }))
    ids.add((await directory.byQueue(await projectNameOf(reach), 'same'))?.id)
    ids.add((await directory.byName(reach.projectId, 'same'))?.id)
  }
  expect(ids.size).toBe(2)
})

test('a paused source answers like an unknown one, by every address, until it goes on', async () => {
  const reach = await configuration.newProject()
  const project = await projectNameOf(reach)
  const source = doneValue(await createSource(configuration, reach, { name: 'paused', verification: github }))
  const directory = createSourceDirectory(configuration)
  const found = async () => [
    await directory.byToken(tokenOf(source)),
    await directory.byQueue(project, 'paused'),
    await directory.byName(reach.projectId, 'paused'),
    await directory.byId(source.id),
  ]
  expect(await found()).toMatchObject(Array(4).fill({ id: source.id }))
  doneValue(await updateSource(configuration, reach, { id: source.id, isPaused: true }))
  expect(await found()).toEqual([null, null, null, null])
  doneValue(await updateSource(configuration, reach, { id: source.id, isPaused: false }))
  expect(await found()).toMatchObject(Array(4).fill({ id: source.id }))
})

test('the old address works through the overlap, then no more, also where it was in use', async () => {
  const reach = await configuration.newProject()
  const source = doneValue(await createSource(configuration, reach, { name: 'overlap' }))
  const old = tokenOf(source)
  const rotated = doneValue(await rotateSourceToken(configuration, reach, { id: source.id, overlapMs: 60_000 }))
  const elsewhere = { ...configuration, ...(await configuration.secondProcess()) }
  const directories = [createSourceDirectory(configuration), createSourceDirectory(elsewhere)]
  for (const directory of directories) {
    expect(await directory.byToken(old)).toMatchObject({ id: source.id })
    expect(await directory.byToken(tokenOf(rotated))).toMatchObject({ id: source.id })
  }
  await endFormerTokens(source.id)
  expect(await createSourceDirectory(configuration).byToken(old)).toBeNull()
})

test('an overlap that ends is seen without a change of the configuration', async () => {
  const reach = await configuration.newProject()
  const source = doneValue(await createSource(configuration, reach, { name: 'cached' }))
  const old = tokenOf(source)
  doneValue(await rotateSourceToken(configuration, reach, { id: source.id, overlapMs: 60_000 }))
  const inMoments = `update former_tokens set expires_at = clock_timestamp() + interval '300 ms' where source_id = $1::text`
  await configuration.sql.query(inMoments, [source.id])
  const directory = createSourceDirectory(configuration)
  expect(await directory.byToken(old)).not.toBeNull()
  await until(async () => (await directory.byToken(old)) === null, true)
})

test('a rotation without overlap ends all former addresses', async () => {
  const reach = await configuration.newProject()
  let source = doneValue(await createSource(configuration, reach, { name: 'leaked' }))
  const old: string[] = []
  for (const overlapMs of [604_800_000, 60_000, 0]) {
    old.push(tokenOf(source))
    source = doneValue(await rotateSourceToken(configuration, reach, { id: source.id, overlapMs }))
  }
  const directory = createSourceDirectory(configuration)
  for (const token of old) expect(await directory.byToken(token)).toBeNull()
  expect(await directory.byToken(tokenOf(source))).toMatchObject({ id: source.id })
  expect(await formerTokens(source.id)).toEqual([])
})

test('of many rotations the last five former addresses work', async () => {
  const reach = await configuration.newProject()
  let source = doneValue(await createSource(configuration, reach, { name: 'often' }))
  const old: string[] = []
  for (let round = 0; round < 7; round++) {
    old.push(tokenOf(source))
    const overlapMs = 60_000 + round
    source = doneValue(await rotateSourceToken(configuration, reach, { id: source.id, overlapMs }))
  }
  const directory = createSourceDirectory(configuration)
  const works = await Promise.all(old.map(async (token) => (await directory.byToken(token)) !== null))
  expect(works).toEqual([false, false, true, true, true, true, true])
  doneValue(await deleteSource(configuration, reach, { id: source.id }))
  expect(await formerTokens(source.id)).toEqual([])
})

test.each([-1, 604_800_001, 0.5])('an overlap of %d ms is refused', async (overlapMs) => {
  const reach = await configuration.newProject()
  const source = doneValue(await createSource(configuration, reach, { name: 'overlap' }))
  expect(await rotateSourceToken(configuration, reach, { id: source.id, overlapMs })).toMatchObject({
    kind: 'invalid',
    issues: [{ code: 'OUT_OF_RANGE', path: ['input', 'overlapMs'] }],
  })
  expect(await createSourceDirectory(configuration).byToken(tokenOf(source))).not.toBeNull()
})

test('one source whose secret does not open is unavailable alone', async () => {
  const reach = await configuration.newProject()
  const meta: VerificationInput = { preset: { preset: 'META', secret: 'secret', verifyToken: 'ask me' } }
  const headers = [{ name: 'x', value: 'y', isSecret: true }]
  const sound = doneValue(await createSource(configuration, reach, { name: 'sound', verification: meta }))
  const broken = [
    doneValue(await createSource(configuration, reach, { name: 'secret', verification: github })),
    doneValue(await createSource(configuration, reach, { name: 'verify-token', verification: meta })),
    doneValue(
      await createSource(configuration, reach, {
        name: 'header',
        acceptedResponse: { status: 200, headers, body: '' },
      }),
    ),
  ]
  const statements = [
    `update secrets set sealed = 'junk' where owner_id = $1::text`,
    `update sources set verification_options = jsonb_set(verification_options, '{verifyTokenSealed}', '"junk"') where id = $1::text`,
    `update sources set accepted_response = jsonb_set(accepted_response, '{headers,0,sealed}', '"junk"') where id = $1::text`,
  ]
  for (const [index, source] of broken.entries()) {
    await configuration.sql.query(statements[index] ?? '', [source.id])
  }
  const directory = createSourceDirectory(configuration)
  for (const source of broken) {
    await expect(directory.byToken(tokenOf(source))).rejects.toMatchObject({ code: 'SEAL_BROKEN' })
  }
  expect(await directory.byToken(tokenOf(sound))).toMatchObject({ id: sound.id })
})

test('a source of every scheme lets in who proves it and nobody else', async () => {
  const reach = await configuration.newProject()
  const directory = createSourceDirectory(configuration)
  const body = Buffer.from('{}')
  const key = 'a key of enough characters'
  const format = {
    algorithm: 'HMAC_SHA256',
    content: '{body}',
    header: 'X-Sig',
    encoding: 'HEX',
    toleranceMs: 1_000,
  } as const
  const cases: [VerificationInput, NodeJS.Dict<string>][] = [
    [{ apiKey: { header: 'X-Key', value: key } }, { 'x-key': key }],
    [{ bearer: 'b'.repeat(16) }, { authorization: `Bearer ${'b'.repeat(16)}` }],
    [{ basic: { username: 'u', password: key } }, { authorization: `Basic ${btoa(`u:${key}`)}` }],
    [{ signature: { ...format, secret: key } }, { 'x-sig': createHmac('sha256', key).update(body).digest('hex') }],
  ]
  const { id } = doneValue(await createSource(configuration, reach, { name: 'schemes' }))
  for (const [verification, headers] of cases) {
    doneValue(await updateSource(configuration, reach, { id, verification }))
    const verifier = (await directory.byId(id))?.verifier
    const request = { method: 'POST', url: 'https://h.example/', query: null, body }
    expect(verifier?.verify({ ...request, headers }, Date.now())).toMatchObject({ kind: 'verified' })
    expect(verifier?.verify({ ...request, headers: {} }, Date.now())).toMatchObject({ kind: 'refused' })
  }
})

test("an attribute's own place comes before the preset's", async () => {
  const reach = await configuration.newProject()
  const mapping = { type: { pointer: '/action' } }
  const source = doneValue(await createSource(configuration, reach, { name: 'mapped', verification: github, mapping }))
  expect(await createSourceDirectory(configuration).byId(source.id)).toMatchObject({
    preset: 'GITHUB',
    mapping: { id: { header: 'X-GitHub-Delivery' }, type: { pointer: '/action' }, subject: null },
    ownMapping: { id: null, type: { pointer: '/action' }, subject: null },
  })
})

test("a source carries its project's ceiling", async () => {
  const reach = await configuration.newProject()
  const { id } = doneValue(await createSource(configuration, reach, { name: 'ceiling' }))
  await configuration.sql.query(
    `update projects set rate_limit = '{"count": 7, "windowMs": 1000}' where id = $1::text`,
    [reach.projectId],
  )
  const directory = createSourceDirectory(configuration)
  expect(await directory.byId(id)).toMatchObject({ rateLimit: null, projectRateLimit: { count: 7, windowMs: 1_000 } })
  expect(await directory.byId(newId('src'))).toBeNull()
})
