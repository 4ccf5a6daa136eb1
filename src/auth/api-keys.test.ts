import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { type Configuration, doneValue, issuesOf, startConfiguration } from '../../test/support/configuration.ts'
import { newId, type SourceId } from '../kernel/ids.ts'
import { createSource } from '../sources/index.ts'
import {
  allows,
  createApiKey,
  createApiKeyStore,
  createAuthenticator,
  type Reach,
  revokeApiKey,
  type Scope,
  seesSource,
} from './index.ts'

let configuration: Configuration
beforeAll(async () => {
  configuration = await startConfiguration()
})
afterAll(async () => {
  await configuration.close()
})

async function newKey(
  reach: Reach,
  scopes: Scope[] = ['read'],
  limits: { sourceIds?: SourceId[]; expiresAt?: Date } = {},
) {
  return doneValue(await createApiKey(configuration, reach, { name: 'client', scopes, ...limits }))
}

test('a new key authenticates as what it was made for', async () => {
  const reach = await configuration.newProject()
  const source = doneValue(await createSource(configuration, reach, { name: 'orders' }))
  const other = doneValue(await createSource(configuration, reach, { name: 'others' }))
  const { apiKey, token } = await newKey(reach, ['listen', 'publish', 'listen'], { sourceIds: [source.id] })
  const viewer = await createAuthenticator(configuration).authenticate(`Bearer ${token}`)
  expect(viewer).toMatchObject({ keyId: apiKey.id, projectId: reach.projectId, expiresAt: null })
  expect(viewer?.scopes).toEqual(new Set(['listen', 'publish']))
  expect(viewer !== null && seesSource(viewer, source.id)).toBe(true)
  expect(viewer !== null && seesSource(viewer, other.id)).toBe(false)
})

test('ADMIN includes all scopes, MANAGE includes READ, and no other scope includes any', () => {
  const of = (...scopes: Scope[]) => ({ scopes: new Set(scopes) })
  expect(allows(of('admin'), 'jobs')).toBe(true)
  expect(allows(of('manage'), 'read')).toBe(true)
  expect(allows(of('manage'), 'listen')).toBe(false)
  expect(allows(of('listen', 'jobs', 'publish', 'read'), 'manage')).toBe(false)
  expect(allows(of('manage'), 'admin')).toBe(false)
})

test('only what is exactly a Bearer token of a known key with its secret is let in', async () => {
  const authenticator = createAuthenticator(configuration)
  const { token } = await newKey(await configuration.newProject())
  const { token: other } = await newKey(await configuration.newProject())
  const secret = token.slice(-43)
  expect(await authenticator.authenticate(`bearer   ${token}`)).not.toBeNull()
  const refused = [
    undefined,
    '',
    token,
    `Basic ${token}`,
    `Bearer ${token}x`,
    `Bearer ${token} ${token}`,
    `Bearer ${token.slice(0, -1)}${token.endsWith('A') ? 'E' : 'A'}`,
    `Bearer ${other.slice(0, -43)}${secret}`,
    `Bearer hk_${newId('key').slice(4)}_${secret}`,
  ]
  for (const authorization of refused) expect(await authenticator.authenticate(authorization)).toBeNull()
})

test('the database holds nothing of a token that could be presented', async () => {
  const { apiKey, token } = await newKey(await configuration.newProject())
  const [row] = await configuration.sql.query<{ row: string; hash: Buffer }>(
    `select k::text as row, k.secret_hash as hash from api_keys as k where k.id = $1`,
    [apiKey.id],
  )
  expect(row?.hash).toHaveLength(32)
  expect(row?.row).not.toContain(token.slice(-43))
  expect(row?.row).not.toContain(Buffer.from(token.slice(-43)).toString('hex'))
})

test('a revoked key is refused at once here and soon in another process, and revoking twice changes nothing', async () => {
  const reach = await configuration.newProject()
  const { apiKey, token } = await newKey(reach)
  const here = createAuthenticator(configuration)
  const elsewhere = createAuthenticator(await configuration.secondProcess())
  const viewer = await here.authenticate(`Bearer ${token}`)
  expect(viewer).not.toBeNull()
  expect(await elsewhere.authenticate(`Bearer ${token}`)).not.toBeNull()

  const revoked = doneValue(await revokeApiKey(configuration, reach, { id: apiKey.id }))
  expect(revoked.revokedAt).toBeInstanceOf(Date)
  expect(await here.authenticate(`Bearer ${token}`)).toBeNull()
  expect(await here.viewerOf(apiKey.id)).toBeNull()
  await vi.waitUntil(async () => (await elsewhere.authenticate(`Bearer ${token}`)) === null, { timeout: 10_000 })
  const again = doneValue(await revokeApiKey(configuration, reach, { id: apiKey.id }))
  expect(again.revokedAt).toEqual(revoked.revokedAt)
})

test('a key ends at its end, though it was known before', async () => {
  const authenticator = createAuthenticator(configuration)
  const expiresAt = new Date(Date.now() + 3_600_000)
  const { apiKey, token } = await newKey(await configuration.newProject(), ['read'], { expiresAt })
  const viewer = await authenticator.authenticate(`Bearer ${token}`)
  expect(viewer?.expiresAt).toEqual(expiresAt)
  vi.useFakeTimers({ toFake: ['Date'], now: expiresAt })
  onTestFinished(() => void vi.useRealTimers())
  expect(await authenticator.authenticate(`Bearer ${token}`)).toBeNull()
  expect(await authenticator.viewerOf(apiKey.id)).toBeNull()
})

test('a key of another project can neither be seen nor revoked', async () => {
  const reach = await configuration.newProject()
  const { apiKey, token } = await newKey(reach)
  const stranger = await configuration.newProject()
  for (const id of [apiKey.id, newId('key'), newId('src'), 'nonsense', '\0']) {
    const outcome = await revokeApiKey(configuration, stranger, { id })
    expect(outcome).toEqual({ kind: 'not-found', id, path: ['input', 'id'] })
  }
  const store = createApiKeyStore(configuration.orm)
  expect(await store.byIds(stranger.projectId, [apiKey.id])).toEqual([])
  expect(await store.count(stranger.projectId)).toBe(0)
  expect(await createAuthenticator(configuration).authenticate(`Bearer ${token}`)).not.toBeNull()
})

test('who is limited to some sources revokes no key that reaches further', async () => {
  const reach = await configuration.newProject()
  const own = doneValue(await createSource(configuration, reach, { name: 'own' }))
  const limited = { ...reach, sourceIds: new Set([own.id]) }
  const { id } = (await newKey(reach)).apiKey
  expect(await revokeApiKey(configuration, limited, { id })).toMatchObject({ kind: 'not-found', id })
  const within = (await newKey(reach, ['read'], { sourceIds: [own.id] })).apiKey
  expect(doneValue(await revokeApiKey(configuration, limited, within)).revokedAt).toBeInstanceOf(Date)
})

test('all that is wrong with a new key is told at once', async () => {
  const reach = await configuration.newProject()
  const foreign = doneValue(await createSource(configuration, await configuration.newProject(), { name: 'foreign' }))
  const own = doneValue(await createSource(configuration, reach, { name: 'own' }))
  const outcome = await createApiKey(configuration, reach, {
    name: 'a\0b',
    scopes: [],
    sourceIds: [own.id, foreign.id, 'nonsense', newId('src')],
    expiresAt: new Date(Date.now() - 1),
  })
  expect(issuesOf(outcome)).toEqual([
    'MALFORMED input.name',
    'REQUIRED input.scopes',
    'OUT_OF_RANGE input.expiresAt',
    'NOT_FOUND input.sourceIds.1',
    'NOT_FOUND input.sourceIds.2',
    'NOT_FOUND input.sourceIds.3',
  ])
  expect(await createApiKeyStore(configuration.orm).count(reach.projectId)).toBe(0)
})

test('a name has 1 to 100 characters, whatever they are, and at most 100 sources are named', async () => {
  const reach = await configuration.newProject()
  const withName = (name: string) => createApiKey(configuration, reach, { name, scopes: ['read'] })
  expect(issuesOf(await withName(''))).toEqual(['REQUIRED input.name'])
  expect(issuesOf(await withName('💡'.repeat(101)))).toEqual(['OUT_OF_RANGE input.name'])
  expect(issuesOf(await withName('\ud800'))).toEqual(['MALFORMED input.name'])
  expect(doneValue(await withName('💡'.repeat(100))).apiKey.name).toBe('💡'.repeat(100))
  const sourceIds = Array.from({ length: 101 }, () => newId('src'))
  const tooMany = await createApiKey(configuration, reach, { name: 'many', scopes: ['read'], sourceIds })
  expect(issuesOf(tooMany)).toEqual(['OUT_OF_RANGE input.sourceIds'])
})

test('a key that is limited to some sources creates no key that reaches further', async () => {
  const reach = await configuration.newProject()
  const own = doneValue(await createSource(configuration, reach, { name: 'own' }))
  const beyond = doneValue(await createSource(configuration, reach, { name: 'beyond' }))
  const limited = { ...reach, sourceIds: new Set([own.id]) }
  const create = (sourceIds?: SourceId[]) =>
    createApiKey(configuration, limited, { name: 'further', scopes: ['listen'], sourceIds })
  expect(issuesOf(await create())).toEqual(['REQUIRED input.sourceIds'])
  expect(issuesOf(await create([own.id, beyond.id]))).toEqual(['NOT_FOUND input.sourceIds.1'])
  expect(doneValue(await create([own.id])).apiKey.sourceIds).toEqual([own.id])
})

test('the list of keys pages through all of a project, latest first', async () => {
  const reach = await configuration.newProject()
  const created = []
  for (let count = 0; count < 3; count += 1) created.push((await newKey(reach)).apiKey.id)
  const store = createApiKeyStore(configuration.orm)
  const first = await store.page(reach.projectId, { first: 2, after: null })
  expect(first.rows.map((key) => key.id)).toEqual([created[2], created[1]])
  expect(first.hasMore).toBe(true)
  const rest = await store.page(reach.projectId, { first: 2, after: first.rows[1]?.id ?? null })
  expect(rest).toMatchObject({ rows: [{ id: created[0] }], hasMore: false })
  expect(await store.count(reach.projectId)).toBe(3)
})

test('a project has at most 1,000 keys that hold, also when the last two are created at the same time', async () => {
  const reach = await configuration.newProject()
  await configuration.sql.query(
    `insert into api_keys (id, project_id, name, secret_hash, scopes, created_at, revoked_at)
     select 'key_' || n, $1::text, 'client', '', '{read}', now(), case when n > 999 then now() end
       from generate_series(1, 2000) as n`,
    [reach.projectId],
  )
  const create = () => createApiKey(configuration, reach, { name: 'last', scopes: ['read'] })
  const kinds = (await Promise.all([create(), create()])).map((outcome) => outcome.kind)
  expect(kinds.sort()).toEqual(['done', 'limit-reached'])
  expect(await create()).toEqual({ kind: 'limit-reached', limit: 1_000, path: ['input'] })
})
