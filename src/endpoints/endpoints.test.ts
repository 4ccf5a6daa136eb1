import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Configuration, doneValue, issuesOf, startConfiguration } from '../../test/support/configuration.ts'
import type { Reach } from '../auth/index.ts'
import { newId } from '../kernel/ids.ts'
import { sign } from '../signatures/standard-webhooks.ts'
import { createSource } from '../sources/index.ts'
import {
  type CreatedEndpoint,
  type CreateEndpointInput,
  createEndpoint,
  createEndpointDirectory,
  createEndpointStore,
  deleteEndpoint,
  updateEndpoint,
} from './index.ts'

const url = 'https://receiver.example/hooks'

let configuration: Configuration
beforeAll(async () => {
  configuration = await startConfiguration()
})
afterAll(async () => {
  await configuration.close()
})

async function newEndpoint(reach: Reach, input: Partial<CreateEndpointInput> = {}): Promise<CreatedEndpoint> {
  return doneValue(await createEndpoint(configuration, reach, { url, ...input }))
}

async function newSource(reach: Reach, name: string) {
  return doneValue(await createSource(configuration, reach, { name }))
}

async function rowsOf(table: string, column: string, id: string): Promise<object[]> {
  return await configuration.sql.query(`select * from ${table} where ${column} = $1::text`, [id])
}

test('a new endpoint can be sent to, signed with the secret that was shown', async () => {
  const reach = await configuration.newProject()
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
  const { endpoint, ...created } = await newEndpoint(reach, { secret, description: 'the shop' })
  expect(created.secret).toBe(secret)
  expect(endpoint).toMatchObject({ url, description: 'the shop', sourceIds: null })
  const active = await createEndpointDirectory(configuration).byId(endpoint.id)
  expect(active).toMatchObject({ id: endpoint.id, projectId: reach.projectId, url, sourceIds: null })
  // The vector of the Standard Webhooks libraries.
  const signature = sign({
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    timestampSeconds: 1614265330,
    body: Buffer.from('{"test": 2432232314}'),
    secrets: active?.secrets ?? [],
  })
  expect(signature).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
  expect(await rowsOf('endpoint_states', 'endpoint_id', endpoint.id)).toMatchObject([
    { project_id: reach.projectId, lease_number: 0, leased_by: null },
  ])
})

test('without a secret of its own an endpoint gets a generated one, which rests sealed', async () => {
  const { endpoint, secret } = await newEndpoint(await configuration.newProject())
  expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
  const stored = JSON.stringify([
    await rowsOf('endpoints', 'id', endpoint.id),
    await rowsOf('secrets', 'owner_id', endpoint.id),
  ])
  expect(stored).toContain(endpoint.id)
  expect(stored).not.toContain(secret.slice('whsec_'.length, -8))
})

test('a URL is kept in its normal form', async () => {
  const { endpoint } = await newEndpoint(await configuration.newProject(), {
    url: 'HTTPS://Receiver.Example:443/a/../b#c',
  })
  expect(endpoint.url).toBe('https://receiver.example/b')
})

test.each([
  ['', 'REQUIRED'],
  ['receiver.example', 'MALFORMED'],
  ['https://receiver.example/\0', 'MALFORMED'],
  ['file:///etc/passwd', 'URL_REFUSED'],
  ['http://0x7f.1/', 'URL_REFUSED'],
  ['http://2130706433/', 'URL_REFUSED'],
  ['http://①②⑦.⓪.⓪.①/', 'URL_REFUSED'],
  ['http://a@127.0.0.1@b/', 'URL_REFUSED'],
  ['https://receiver.example:0/', 'URL_REFUSED'],
  ['http://[::ffff:7f00:1]/', 'URL_REFUSED'],
  ['http://localhost./', 'URL_REFUSED'],
  ['http://user:secret@receiver.example/', 'URL_REFUSED'],
  [`https://receiver.example/${'a'.repeat(2048)}`, 'OUT_OF_RANGE'],
])('the URL %.40j is not accepted', async (text, code) => {
  const reach = await configuration.newProject()
  expect(issuesOf(await createEndpoint(configuration, reach, { url: text }))).toEqual([`${code} input.url`])
})

test.each([
  '',
  'short',
  'whsec_AAAA',
  'whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa\0',
])('the signing secret %j is not accepted', async (secret) => {
  const outcome = await createEndpoint(configuration, await configuration.newProject(), { url, secret })
  expect(issuesOf(outcome)).toEqual(['MALFORMED input.secret'])
})

test('all that is wrong with an endpoint is told at once, and nothing is changed', async () => {
  const reach = await configuration.newProject()
  const foreign = await newSource(await configuration.newProject(), 'foreign')
  const wrong = { url: 'http://127.0.0.1/', description: 'a'.repeat(501), sourceIds: [foreign.id, newId('src'), 'x'] }
  const issues = [
    'URL_REFUSED input.url',
    'OUT_OF_RANGE input.description',
    'NOT_FOUND input.sourceIds.0',
    'NOT_FOUND input.sourceIds.1',
    'NOT_FOUND input.sourceIds.2',
  ]
  const created = await createEndpoint(configuration, reach, { ...wrong, secret: 'x' })
  expect(issuesOf(created)).toEqual([...issues, 'MALFORMED input.secret'])
  const { endpoint } = await newEndpoint(reach)
  expect(issuesOf(await updateEndpoint(configuration, reach, { id: endpoint.id, ...wrong }))).toEqual(issues)
  const emptied = { id: endpoint.id, url: null, description: 'a\0' }
  expect(issuesOf(await updateEndpoint(configuration, reach, emptied))).toEqual([
    'REQUIRED input.url',
    'MALFORMED input.description',
  ])
  const store = createEndpointStore(configuration.orm)
  expect((await store.page(reach, { first: 10, after: null })).rows).toMatchObject([{ url, description: null }])
})

test('fields that are left out stay as they are, and null means none', async () => {
  const reach = await configuration.newProject()
  const source = await newSource(reach, 'orders')
  const { endpoint } = await newEndpoint(reach, { description: 'before', sourceIds: [source.id, source.id] })
  const { id } = endpoint
  const directory = createEndpointDirectory(configuration)
  expect((await directory.byId(id))?.sourceIds).toEqual(new Set([source.id]))

  const moved = doneValue(await updateEndpoint(configuration, reach, { id, url: 'https://other.example/' }))
  expect(moved).toMatchObject({ url: 'https://other.example/', description: 'before', sourceIds: [source.id] })
  expect(await directory.byId(id)).toMatchObject({ url: 'https://other.example/' })
  const opened = doneValue(await updateEndpoint(configuration, reach, { id, description: null, sourceIds: null }))
  expect(opened).toMatchObject({ url: 'https://other.example/', description: null, sourceIds: null })
  expect((await directory.byId(id))?.sourceIds).toBeNull()
})

test('a change made by another process is followed without a bus', async () => {
  const reach = await configuration.newProject()
  const { endpoint } = await newEndpoint(reach)
  const directory = createEndpointDirectory(configuration)
  expect(await directory.byId(endpoint.id)).not.toBeNull()
  const elsewhere = { ...configuration, ...(await configuration.secondProcess()) }
  doneValue(await deleteEndpoint(elsewhere, reach, { id: endpoint.id }))
  await vi.waitUntil(async () => (await directory.byId(endpoint.id)) === null, { timeout: 10_000 })
})

test('a deleted endpoint is gone with its state and secrets, and leaves a task that cancels its deliveries', async () => {
  const reach = await configuration.newProject()
  const { id } = (await newEndpoint(reach)).endpoint
  expect(await deleteEndpoint(configuration, reach, { id })).toEqual({ kind: 'done', value: { deletedId: id } })
  expect(await createEndpointDirectory(configuration).byId(id)).toBeNull()
  expect(await rowsOf('endpoint_states', 'endpoint_id', id)).toEqual([])
  expect(await rowsOf('secrets', 'owner_id', id)).toEqual([])
  const tasks = await configuration.sql.query(`select j.data from pgboss.job as j where j.name = 'purge-endpoint'`)
  expect(tasks).toContainEqual({ data: { endpointId: id } })
  expect(await deleteEndpoint(configuration, reach, { id })).toMatchObject({ kind: 'not-found' })
})

test('an endpoint of another project answers like one that does not exist', async () => {
  const reach = await configuration.newProject()
  const { endpoint } = await newEndpoint(reach)
  const stranger = await configuration.newProject()
  for (const id of [endpoint.id, newId('ept'), newId('src'), 'nonsense\0']) {
    const notFound = { kind: 'not-found', id, path: ['input', 'id'] }
    expect(await updateEndpoint(configuration, stranger, { id, url: 'https://thief.example/' })).toEqual(notFound)
    expect(await deleteEndpoint(configuration, stranger, { id })).toEqual(notFound)
  }
  const store = createEndpointStore(configuration.orm)
  expect(await store.byIds(stranger, [endpoint.id])).toEqual([])
  expect(await store.count(stranger)).toBe(0)
  expect(await store.byIds(reach, [endpoint.id])).toMatchObject([{ url }])
})

test('a key that is limited to some sources cannot lead the messages of others to itself', async () => {
  const reach = await configuration.newProject()
  const [own, beyond] = [await newSource(reach, 'own'), await newSource(reach, 'beyond')]
  const limited: Reach = { ...reach, sourceIds: new Set([own.id]) }
  const ofAll = (await newEndpoint(reach)).endpoint
  const ofBoth = (await newEndpoint(reach, { sourceIds: [own.id, beyond.id] })).endpoint
  for (const { id } of [ofAll, ofBoth]) {
    const outcome = await updateEndpoint(configuration, limited, { id, url: 'https://thief.example/' })
    expect(outcome).toMatchObject({ kind: 'not-found' })
  }
  const create = (sourceIds: string[] | null) => createEndpoint(configuration, limited, { url, sourceIds })
  expect(issuesOf(await create(null))).toEqual(['REQUIRED input.sourceIds'])
  expect(issuesOf(await createEndpoint(configuration, limited, { url }))).toEqual(['REQUIRED input.sourceIds'])
  expect(issuesOf(await create([own.id, beyond.id]))).toEqual(['NOT_FOUND input.sourceIds.1'])
  const { id } = doneValue(await create([own.id])).endpoint
  const widen = await updateEndpoint(configuration, limited, { id, sourceIds: null })
  expect(issuesOf(widen)).toEqual(['REQUIRED input.sourceIds'])
  expect(doneValue(await updateEndpoint(configuration, limited, { id, description: 'mine' })).sourceIds).toEqual([
    own.id,
  ])

  const store = createEndpointStore(configuration.orm)
  expect((await store.page(limited, { first: 10, after: null })).rows).toMatchObject([{ id }])
  expect(await store.byIds(limited, [ofAll.id, ofBoth.id, id])).toMatchObject([{ id }])
  expect(await store.count(limited)).toBe(1)
})

test('the list of endpoints pages through all of a project, latest first', async () => {
  const reach = await configuration.newProject()
  const created = []
  for (let count = 0; count < 3; count += 1) created.push((await newEndpoint(reach)).endpoint.id)
  const store = createEndpointStore(configuration.orm)
  const first = await store.page(reach, { first: 2, after: null })
  expect(first).toMatchObject({ rows: [{ id: created[2] }, { id: created[1] }], hasMore: true })
  const rest = await store.page(reach, { first: 2, after: first.rows[1]?.id ?? null })
  expect(rest).toMatchObject({ rows: [{ id: created[0] }], hasMore: false })
  expect(await store.count(reach)).toBe(3)
})

test('a project has at most 10,000 endpoints', async () => {
  const reach = await configuration.newProject()
  await configuration.sql.query(
    `insert into endpoints (id, project_id, url, created_at)
     select 'ept_' || n, $1::text, 'https://receiver.example/', now() from generate_series(1, 10000) as n`,
    [reach.projectId],
  )
  const outcome = await createEndpoint(configuration, reach, { url })
  expect(outcome).toEqual({ kind: 'limit-reached', limit: 10_000, path: ['input'] })
})
