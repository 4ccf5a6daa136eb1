import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Configuration, doneValue, issuesOf, startConfiguration } from '../../test/support/configuration.ts'
import { createApiKey, createAuthenticator, type Reach } from '../auth/index.ts'
import { createEndpoint, createEndpointStore } from '../endpoints/index.ts'
import { newId } from '../kernel/ids.ts'
import {
  createSource,
  createSourceDirectory,
  createSourceStore,
  deleteSource,
  ingressUrlOf,
  rotateSourceToken,
  type Source,
  updateSource,
} from './index.ts'

// The vector of GitHub's documentation.
const githubVector = {
  secret: "It's a Secret to Everybody",
  body: Buffer.from('Hello, World!'),
  header: 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
}

let configuration: Configuration
beforeAll(async () => {
  configuration = await startConfiguration()
})
afterAll(async () => {
  await configuration.close()
})

async function newSource(reach: Reach, name = 'orders'): Promise<Source> {
  return doneValue(await createSource(configuration, reach, { name }))
}

function tokenOf(source: Source): string {
  const url = ingressUrlOf({ sealer: configuration.sealer, publicUrl: 'https://hooks.example/' }, source)
  if (url === null) throw new Error('no address')
  expect(url).toMatch(/^https:\/\/hooks\.example\/in\/[A-Za-z0-9_-]{43}$/)
  return url.slice(-43)
}

function github(secret: string) {
  return { preset: { preset: 'GITHUB', secret } } as const
}

async function rowsOf(table: string, column: string, id: string): Promise<object[]> {
  return await configuration.sql.query(`select * from ${table} where ${column} = $1::text`, [id])
}

test('a new source is found by its address and has an empty log', async () => {
  const reach = await configuration.newProject()
  const source = await newSource(reach)
  const directory = createSourceDirectory(configuration)
  const expected = { id: source.id, projectId: reach.projectId, name: 'orders', maxBodyBytes: 1_048_576 }
  expect(await directory.byToken(tokenOf(source))).toEqual({
    ...expected,
    allowedMethods: ['GET', 'POST'],
    allowedNetworks: null,
    requiresJson: false,
    verifier: null,
    preset: null,
    mapping: { id: null, type: null, subject: null },
    ownMapping: { id: null, type: null, subject: null },
    duplicateWindowMs: 86_400_000,
    rateLimit: null,
    projectRateLimit: null,
    acceptedResponse: null,
  })
  expect(await directory.byId(source.id)).toMatchObject(expected)
  expect(await rowsOf('source_heads', 'source_id', source.id)).toEqual([
    {
      source_id: source.id,
      project_id: reach.projectId,
      log_epoch: expect.stringMatching(/^[\w-]{12}$/),
      first_sequence: 1,
      last_sequence: 0,
      log_bytes: 0,
    },
  ])
  expect(await rowsOf('fan_out_marks', 'source_id', source.id)).toMatchObject([{ fanned_out_to: 0 }])
})

test('an address that leads nowhere is told from no other', async () => {
  const directory = createSourceDirectory(configuration)
  for (const token of ['', 'nonsense', 'A'.repeat(43), 'A'.repeat(10_000), '../x', '\0']) {
    expect(await directory.byToken(token)).toBeNull()
  }
  expect(await directory.byId(newId('src'))).toBeNull()
})

test('neither the token nor the secret of a source is in the database in clear', async () => {
  const input = { name: 'sealed', verification: github(githubVector.secret) }
  const source = doneValue(await createSource(configuration, await configuration.newProject(), input))
  const stored = JSON.stringify([
    await configuration.sql.query(`select s::text from sources as s where s.id = $1::text`, [source.id]),
    await configuration.sql.query(`select s::text from secrets as s where s.owner_id = $1::text`, [source.id]),
  ])
  expect(stored).toContain(source.id)
  expect(stored).not.toContain(tokenOf(source))
  expect(stored).not.toContain(githubVector.secret)
})

test('a source verifies as its provider signs, from its creation or a change until the verification is removed', async () => {
  const reach = await configuration.newProject()
  const source = await newSource(reach)
  const directory = createSourceDirectory(configuration)
  const { body, header } = githubVector
  const request = { method: 'POST', url: 'https://h.example/', query: null, body }
  const verdict = async () => {
    const verifier = (await directory.byId(source.id))?.verifier
    return verifier?.verify({ ...request, headers: { 'x-hub-signature-256': header } }, Date.now()).kind ?? 'none'
  }
  expect(await verdict()).toBe('none')
  const change = async (verification: ReturnType<typeof github> | null) =>
    doneValue(await updateSource(configuration, reach, { id: source.id, verification })).verificationPreset
  expect(await change(github('wrong'))).toBe('GITHUB')
  expect(await verdict()).toBe('refused')
  expect(await change(github(githubVector.secret))).toBe('GITHUB')
  expect(await verdict()).toBe('verified')
  expect(await rowsOf('secrets', 'owner_id', source.id)).toHaveLength(1)
  expect(await change(null)).toBeNull()
  expect(await verdict()).toBe('none')
  expect(await rowsOf('secrets', 'owner_id', source.id)).toEqual([])
})

test('a change made by another process is followed without a bus', async () => {
  const reach = await configuration.newProject()
  const source = await newSource(reach)
  const directory = createSourceDirectory(configuration)
  expect(await directory.byId(source.id)).toMatchObject({ maxBodyBytes: 1_048_576 })
  const elsewhere = { ...configuration, ...(await configuration.secondProcess()) }
  doneValue(await updateSource(elsewhere, reach, { id: source.id, maxBodyBytes: 7 }))
  await vi.waitUntil(async () => (await directory.byId(source.id))?.maxBodyBytes === 7, { timeout: 10_000 })
})

test('fields that are left out stay as they are', async () => {
  const reach = await configuration.newProject()
  const input = { name: 'before', verification: github('secret'), maxBodyBytes: 5 }
  const source = doneValue(await createSource(configuration, reach, input))
  const renamed = doneValue(await updateSource(configuration, reach, { id: source.id, name: 'after' }))
  expect(renamed).toMatchObject({ name: 'after', verificationPreset: 'GITHUB', maxBodyBytes: 5 })
  const [stored] = await createSourceStore(configuration.orm).byIds(reach, [source.id])
  expect(stored).toMatchObject({ name: 'after', verificationPreset: 'GITHUB', maxBodyBytes: 5 })
  expect(await rowsOf('secrets', 'owner_id', source.id)).toHaveLength(1)
})

test('after a rotation the old address leads nowhere and the new one to the same source', async () => {
  const reach = await configuration.newProject()
  const source = await newSource(reach)
  const old = tokenOf(source)
  const directory = createSourceDirectory(configuration)
  expect(await directory.byToken(old)).toMatchObject({ id: source.id })
  const rotated = tokenOf(doneValue(await rotateSourceToken(configuration, reach, { id: source.id, overlapMs: 0 })))
  expect(rotated).not.toBe(old)
  expect(await directory.byToken(old)).toBeNull()
  expect(await directory.byToken(rotated)).toMatchObject({ id: source.id })
})

test('a deleted source is gone with its log and secrets, and leaves a task that removes its messages', async () => {
  const reach = await configuration.newProject()
  const input = { name: 'gone', verification: github('secret') }
  const source = doneValue(await createSource(configuration, reach, input))
  const directory = createSourceDirectory(configuration)
  expect(await directory.byToken(tokenOf(source))).not.toBeNull()
  expect(await deleteSource(configuration, reach, { id: source.id })).toEqual({
    kind: 'done',
    value: { deletedId: source.id },
  })
  expect(await directory.byToken(tokenOf(source))).toBeNull()
  const tables = [
    ['sources', 'id'],
    ['source_heads', 'source_id'],
    ['fan_out_marks', 'source_id'],
  ] as const
  for (const [table, column] of tables) expect(await rowsOf(table, column, source.id)).toEqual([])
  expect(await rowsOf('secrets', 'owner_id', source.id)).toEqual([])
  expect(await waitingPurges()).toContainEqual({ data: { sourceId: source.id } })
  expect(await deleteSource(configuration, reach, { id: source.id })).toMatchObject({ kind: 'not-found' })
})

async function waitingPurges(): Promise<object[]> {
  return await configuration.sql.query(`select j.data from pgboss.job as j where j.name = 'purge-source'`)
}

test('what was limited to a deleted source does not come to reach all sources', async () => {
  const reach = await configuration.newProject()
  const source = await newSource(reach)
  const limits = { sourceIds: [source.id] }
  const key = doneValue(await createApiKey(configuration, reach, { name: 'limited', scopes: ['listen'], ...limits }))
  const created = await createEndpoint(configuration, reach, { url: 'https://receiver.example/', ...limits })
  doneValue(await deleteSource(configuration, reach, { id: source.id }))
  const viewer = await createAuthenticator(configuration).authenticate(`Bearer ${key.token}`)
  expect(viewer?.sourceIds).toEqual(new Set())
  const [endpoint] = await createEndpointStore(configuration.orm).byIds(reach, [doneValue(created).endpoint.id])
  expect(endpoint?.sourceIds).toEqual([])
})

test('of those who take one name at the same time exactly one gets it, and the others change nothing', async () => {
  const reach = await configuration.newProject()
  const creations = Array.from({ length: 5 }, () => createSource(configuration, reach, { name: 'race' }))
  const outcomes = await Promise.all(creations)
  expect(outcomes.filter((outcome) => outcome.kind === 'done')).toHaveLength(1)
  expect(outcomes.filter((outcome) => outcome.kind !== 'done')).toEqual(
    Array(4).fill({ kind: 'name-taken', name: 'race', path: ['input', 'name'] }),
  )
  expect(await rowsOf('source_heads', 'project_id', reach.projectId)).toHaveLength(2)
  const second = await newSource(reach, 'second')
  const outcome = await updateSource(configuration, reach, { id: second.id, name: 'race', maxBodyBytes: 1 })
  expect(outcome.kind).toBe('name-taken')
  expect(await createSourceStore(configuration.orm).byName(reach, 'second')).toMatchObject({ maxBodyBytes: 1_048_576 })
  expect((await newSource(await configuration.newProject(), 'race')).name).toBe('race')
})

test('a source of another project, or beyond the key, answers like one that does not exist', async () => {
  const reach = await configuration.newProject()
  const [source, beyond] = [await newSource(reach, 'own'), await newSource(reach, 'beyond')]
  const limited: Reach = { ...reach, sourceIds: new Set([source.id]) }
  const store = createSourceStore(configuration.orm)
  const attempts = [
    [await configuration.newProject(), source.id],
    [limited, beyond.id],
    [reach, newId('src')],
    [reach, newId('ept')],
    [reach, 'nonsense\0'],
  ] as const
  for (const [from, id] of attempts) {
    const notFound = { kind: 'not-found', id, path: ['input', 'id'] }
    expect(await updateSource(configuration, from, { id, name: 'taken-over' })).toEqual(notFound)
    expect(await rotateSourceToken(configuration, from, { id, overlapMs: 0 })).toEqual(notFound)
    expect(await deleteSource(configuration, from, { id })).toEqual(notFound)
  }
  expect(await store.byIds(limited, [source.id, beyond.id])).toMatchObject([{ name: 'own' }])
  expect(await store.byName(limited, 'beyond')).toBeNull()
  expect(await store.count(limited)).toBe(1)
  expect((await store.page(limited, { first: 10, after: null })).rows).toMatchObject([{ name: 'own' }])
  expect(await store.byIds(await configuration.newProject(), [source.id])).toEqual([])
  await expect(createSource(configuration, limited, { name: 'further' })).rejects.toMatchObject({ code: 'FORBIDDEN' })
})

test('all that is wrong with a source is told at once, and nothing is changed', async () => {
  const reach = await configuration.newProject()
  const wrong = { name: 'Not a name', verification: github('a\0b'), maxBodyBytes: 26_214_401 }
  const issues = [
    'MALFORMED input.name',
    'MALFORMED input.verification.preset.secret',
    'OUT_OF_RANGE input.maxBodyBytes',
  ]
  expect(issuesOf(await createSource(configuration, reach, wrong))).toEqual(issues)
  const source = await newSource(reach)
  expect(issuesOf(await updateSource(configuration, reach, { id: source.id, ...wrong }))).toEqual(issues)
  const emptied = { id: source.id, name: null, verification: github(''), maxBodyBytes: null }
  expect(issuesOf(await updateSource(configuration, reach, emptied))).toEqual([
    'REQUIRED input.name',
    'REQUIRED input.verification.preset.secret',
    'REQUIRED input.maxBodyBytes',
  ])
  expect(await createSourceStore(configuration.orm).byName(reach, 'orders')).toMatchObject({ id: source.id })
})

test.each([0, -1, 1.5, Number.NaN, 26_214_401])('a body limit of %d bytes is refused', async (maxBodyBytes) => {
  const outcome = await createSource(configuration, await configuration.newProject(), { name: 'limit', maxBodyBytes })
  expect(issuesOf(outcome)).toEqual(['OUT_OF_RANGE input.maxBodyBytes'])
})

test('the list of sources pages through all of a project by name', async () => {
  const reach = await configuration.newProject()
  for (const name of ['c', 'a', 'b']) await newSource(reach, name)
  const store = createSourceStore(configuration.orm)
  const first = await store.page(reach, { first: 2, after: null })
  expect(first).toMatchObject({ rows: [{ name: 'a' }, { name: 'b' }], hasMore: true })
  expect(await store.page(reach, { first: 2, after: 'b' })).toMatchObject({
    rows: [{ name: 'c' }, { name: 'system', isSystem: true }],
    hasMore: false,
  })
  expect(await store.count(reach)).toBe(4)
})

test('a project has at most 10,000 sources', async () => {
  const reach = await configuration.newProject()
  await configuration.sql.query(
    `insert into sources (id, project_id, name, token_hash, token_sealed, max_body_bytes, created_at)
     select 'src_' || n, $1::text, n::text, n::text::bytea, '', 1, now() from generate_series(1, 10000) as n`,
    [reach.projectId],
  )
  const outcome = await createSource(configuration, reach, { name: 'one-too-many' })
  expect(outcome).toEqual({ kind: 'limit-reached', limit: 10_000, path: ['input'] })
})
