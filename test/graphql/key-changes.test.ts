import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { newId, type SourceId } from '../../src/kernel/ids.ts'
import type { Source } from '../../src/sources/index.ts'
import { openEventStream } from '../support/event-stream.ts'
import { codesOf, dataOf, type Loose, overEventStream, overWebSocket, run, type Target } from './client.ts'
import { type Gateway, type Project, startGateway } from './gateway.ts'

let gateway: Gateway
let project: Project
let admin: Target
beforeAll(async () => {
  gateway = await startGateway()
  project = await gateway.newProject()
  admin = await targetOf('admin')
})
afterAll(() => gateway.close())

let [first, second]: Source[] = []
let key: { id: string; token: string }
let target: Target
beforeEach(async () => {
  first = await project.source()
  second = await project.source()
  key = await project.key(['listen', 'read'], { sourceIds: [first.id, second.id] })
  target = { baseUrl: gateway.baseUrl, token: key.token }
})

async function targetOf(scope: 'admin', sourceIds?: SourceId[]): Promise<Target> {
  const { token } = await project.key([scope], sourceIds === undefined ? {} : { sourceIds })
  return { baseUrl: gateway.baseUrl, token }
}

function id(source: Source | undefined): SourceId {
  if (source === undefined) throw new Error('no source was made')
  return source.id
}

async function change(input: object, as = admin): Promise<Loose> {
  const { updateApiKey } = await dataOf(
    as,
    `mutation ($input: UpdateApiKeyInput!) {
       updateApiKey(input: $input) {
         ... on ApiKeyPayload { apiKey { name expiresAt sources { id } } }
         ... on UserError { code path }
       }
     }`,
    { input: { id: key.id, ...input } },
  )
  return updateApiKey.apiKey ?? updateApiKey
}

const messages = 'subscription ($id: ID!) { messageReceived(sourceIds: [$id]) { __typename } }'

describe('a key', () => {
  test('is given another name, other sources and another end; what is left out stays', async () => {
    const sources = [{ id: id(first) }, { id: id(second) }]
    expect(await change({ name: 'new' })).toEqual({ name: 'new', expiresAt: null, sources })
    const expiresAt = '2999-01-01T00:00:00.000Z'
    expect(await change({ expiresAt, sourceIds: [id(first)] })).toEqual({
      name: 'new',
      expiresAt,
      sources: [sources[0]],
    })
    expect(await change({ name: null })).toMatchObject({ name: 'new', expiresAt })
    expect(await change({ expiresAt: null, sourceIds: null })).toEqual({ name: 'new', expiresAt: null, sources: null })
  })

  test.each([
    [{ name: '' }, 'REQUIRED'],
    [{ name: 'x'.repeat(101) }, 'OUT_OF_RANGE'],
    [{ expiresAt: '1999-01-01T00:00:00Z' }, 'OUT_OF_RANGE'],
    [{ sourceIds: ['src_x'] }, 'NOT_FOUND'],
    [{ id: newId('key') }, 'NOT_FOUND'],
  ])('is not changed by %j', async (input, code) => {
    expect(await change(input)).toMatchObject({ code })
    expect(await change({})).toMatchObject({ sources: [{ id: id(first) }, { id: id(second) }] })
  })

  test('is not changed beyond the reach of the key that changes it', async () => {
    const narrow = await targetOf('admin', [id(first)])
    expect(await change({ name: 'stolen' }, narrow)).toMatchObject({ code: 'NOT_FOUND' })
    const wide = await targetOf('admin', [id(first), id(second)])
    expect(await change({ sourceIds: null }, wide)).toMatchObject({ code: 'REQUIRED' })
    expect(await change({ sourceIds: [(await project.source()).id] }, wide)).toMatchObject({ code: 'NOT_FOUND' })
    expect(await change({ sourceIds: [id(first)] }, wide)).toMatchObject({ sources: [{ id: id(first) }] })
  })
})

test('a key that loses a source has its streams ended within a second, on every way', async () => {
  const sourceId = { id: id(second) }
  const socket = overWebSocket(target, messages, sourceId)
  const events = overEventStream(target, messages, sourceId)
  const authorization = { authorization: `Bearer ${key.token}` }
  const plain = await openEventStream(`${gateway.baseUrl}/stream?source=${id(second)}`, authorization)
  await Promise.all([socket.next(), events.next(), plain.next()])
  const startMs = performance.now()
  await change({ sourceIds: [id(first)] })
  await expect(socket.next()).rejects.toMatchObject({ code: 4403 })
  expect(codesOf(await events.next())).toEqual(['FORBIDDEN'])
  let last = await plain.next()
  while (last !== null && last.type !== 'end') last = await plain.next()
  expect(last).toMatchObject({ data: { code: 'FORBIDDEN' } })
  expect(performance.now() - startMs).toBeLessThan(1_000)
  expect(codesOf(await overWebSocket(target, messages, sourceId).next())).toEqual(['NOT_FOUND'])
})

test('a stream outlives a change that takes nothing from its key, and ends at the end that the key was given', async () => {
  const socket = overWebSocket(target, messages, { id: id(second) })
  await socket.next()
  await change({ sourceIds: null, expiresAt: new Date(Date.now() + 700).toISOString() })
  await project.message({ id: id(second) })
  expect((await socket.next()).data.messageReceived.__typename).toBe('MessageReceived')
  await expect(socket.next()).rejects.toMatchObject({ code: 4403 })
  expect(codesOf(await run(target, '{ viewer { id } }'))).toEqual(['UNAUTHENTICATED'])
})
