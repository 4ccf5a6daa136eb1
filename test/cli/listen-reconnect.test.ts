import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { graphql } from '../support/graphql-client.ts'
import { until } from '../support/until.ts'
import {
  hookline,
  type ListenedSource,
  type ListenWorld,
  linesOf,
  send,
  startListenWorld,
  startLocalServer,
  startProxy,
} from './listen-world.ts'

let world: ListenWorld

beforeAll(async () => {
  world = await startListenWorld()
})
afterAll(() => world.close())

/** Sends numbers one after the other until it is stopped. */
function startSending({ ingressUrl }: ListenedSource): { stop(): Promise<number> } {
  let isStopped = false
  let acknowledged = 0
  const sending = (async () => {
    for (let number = 1; !isStopped; number += 1) {
      if ((await send(ingressUrl, { body: String(number) })) === 202) acknowledged += 1
      else await delay(20)
    }
    return acknowledged
  })()
  return {
    stop() {
      isStopped = true
      return sending
    },
  }
}

const countTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1)

test.each([['SIGKILL', 1]] as const)(
  'a gateway ended by %s and started again while messages come: nothing is lost, twice or out of order',
  async (signal, rounds) => {
    const source = await world.createSource(`ended-${signal.toLowerCase()}`)
    const server = await startLocalServer()
    const listener = source.listen(['--forward', server.url, '--json'])
    await listener.logs('Listening')
    const sender = startSending(source)
    for (const round of countTo(rounds)) {
      const before = linesOf(listener).length
      await until(() => linesOf(listener).length > before + 20, true)
      await world.stop(signal)
      await world.start()
      await until(() => listener.errors().match(/Connected again/g)?.length, round)
    }
    const acknowledged = await sender.stop()
    await send(source.ingressUrl, { body: '"last"' })
    await until(() => linesOf(listener).at(-1)?.text, '"last"')
    listener.child.kill('SIGINT')
    expect(await listener.exited).toEqual({ code: 0, signal: null })
    const lines = linesOf(listener)
    expect(lines.length).toBeGreaterThanOrEqual(acknowledged)
    expect(lines.map(({ sequence }) => sequence)).toEqual(countTo(lines.length))
    expect(server.requests.map(({ body }) => body.toString())).toEqual(lines.map(({ text }) => text))
    const numbers = lines.slice(0, -1).map(({ text }) => Number(text))
    expect(numbers).toEqual(numbers.toSorted((left, right) => left - right))
    expect(listener.errors().match(/Connection lost/g)).toHaveLength(rounds)
  },
)

test('a connection that dies without a word is found and opened again; what came meanwhile follows', async () => {
  const source = await world.createSource('silent')
  const network = await startProxy(world.baseUrl)
  const listener = source.listen(['--json', '--exit-after', '2'], { HOOKLINE_URL: network.url })
  await listener.logs('Listening')
  await send(source.ingressUrl, { body: '1' })
  await until(() => linesOf(listener).length, 1)
  network.freeze()
  await send(source.ingressUrl, { body: '2' })
  expect(await listener.exited).toEqual({ code: 0, signal: null })
  expect(linesOf(listener).map(({ text }) => text)).toEqual(['1', '2'])
  expect(listener.errors()).toContain('Connection lost (the gateway is silent)')
})

test('a listener that was stopped for a while, as by sleep, goes on with what came meanwhile', async () => {
  const source = await world.createSource('asleep')
  const listener = source.listen(['--json', '--exit-after', '3'])
  await listener.logs('Listening')
  await send(source.ingressUrl, { body: '1' })
  await until(() => linesOf(listener).length, 1)
  listener.child.kill('SIGSTOP')
  await world.stop('SIGKILL')
  await world.start()
  for (const body of ['2', '3']) expect(await send(source.ingressUrl, { body })).toBe(202)
  listener.child.kill('SIGCONT')
  expect(await listener.exited).toEqual({ code: 0, signal: null })
  expect(linesOf(listener).map(({ text }) => text)).toEqual(['1', '2', '3'])
})

test('a backlog larger than what a listener keeps waits at the gateway while a slow server works it off', async () => {
  const source = await world.createSource('backlog', { maxBodyBytes: 4_000_000 })
  const server = await startLocalServer()
  const bodies = countTo(8).map((number) => String(number).repeat(3_000_000))
  for (const body of bodies) expect(await send(source.ingressUrl, { body })).toBe(202)
  const args = ['--since', '1h', '--forward', server.url, '--exit-after', '8']
  const listener = source.listen(args)
  expect(await listener.exited).toEqual({ code: 0, signal: null })
  expect(server.requests.map(({ body }) => body.toString()[0])).toEqual(countTo(8).map(String))
  expect(server.requests.every(({ body }, index) => body.toString() === bodies[index])).toBe(true)
  expect(listener.errors()).not.toContain('Connection lost')
})

test('what retention dropped before it was read is told as a gap', async () => {
  const source = await world.createSource('gap')
  const listener = source.listen(['--json', '--exit-after', '2'])
  await listener.logs('Listening')
  await send(source.ingressUrl, { body: '1' })
  await until(() => linesOf(listener).length, 1)
  listener.child.kill('SIGSTOP')
  await world.stop('SIGKILL')
  await world.start()
  for (const body of ['2', '3', '4']) await send(source.ingressUrl, { body })
  await keepOnly(source, 1)
  listener.child.kill('SIGCONT')
  expect(await listener.exited).toEqual({ code: 0, signal: null })
  expect(linesOf(listener)).toMatchObject([
    { kind: 'message', sequence: 1 },
    { kind: 'gap', source: 'gap', reason: 'RETENTION', fromSequence: 2, toSequence: 3, cursor: expect.any(String) },
    { kind: 'message', sequence: 4 },
  ])
  expect(listener.errors()).toContain('Gap: retention dropped messages 2 to 3 before they were read.')
})

/** A gateway that starts looks at once at what is to be kept. */
async function keepOnly({ id }: ListenedSource, maxMessages: number): Promise<void> {
  const ask = async <Data>(query: string) => await graphql<Data>(world.baseUrl, world.token, query, { id, maxMessages })
  await ask(`mutation ($id: ID!, $maxMessages: SafeInt!) {
    updateSource(input: { id: $id, retention: { maxMessages: $maxMessages } }) { __typename }
  }`)
  await world.stop('SIGKILL')
  await world.start()
  const first = 'query ($id: ID!) { source(by: { id: $id }) { firstSequence lastSequence } }'
  await until(async () => {
    const { source } = await ask<{ source: { firstSequence: number; lastSequence: number } }>(first)
    return source.lastSequence - source.firstSequence + 1
  }, maxMessages)
}

const updateApiKey = 'mutation ($input: UpdateApiKeyInput!) { updateApiKey(input: $input) { __typename } }'

async function createKey(): Promise<{ id: string; token: string }> {
  const { createApiKey } = await graphql<{ createApiKey: { apiKey: { id: string }; token: string } }>(
    world.baseUrl,
    world.token,
    `mutation { createApiKey(input: { name: "short", scopes: [LISTEN, READ] }) {
      ... on CreateApiKeyPayload { apiKey { id } token }
    } }`,
  )
  return { id: createApiKey.apiKey.id, token: createApiKey.token }
}

test('a key that is revoked while listening ends it with one sentence and 1', async () => {
  const source = await world.createSource('revoked')
  const key = await createKey()
  const listener = source.listen([], { HOOKLINE_KEY: key.token })
  await listener.logs('Listening')
  await graphql(world.baseUrl, world.token, 'mutation ($id: ID!) { revokeApiKey(input: { id: $id }) { __typename } }', {
    id: key.id,
  })
  expect(await listener.exited).toEqual({ code: 1, signal: null })
  expect(listener.errors()).toContain('does not take this API key: it is unknown, expired or revoked.')
})

test('a key that loses other sources goes on listening; one that loses this source ends it, and says why', async () => {
  const [source, other] = [await world.createSource('kept'), await world.createSource('lost')]
  const key = await createKey()
  const limitTo = async (id: string) =>
    await graphql(world.baseUrl, world.token, updateApiKey, { input: { id: key.id, sourceIds: [id] } })
  const listener = source.listen(['--json'], { HOOKLINE_KEY: key.token })
  await listener.logs('Listening')
  await limitTo(source.id)
  await send(source.ingressUrl, { body: '1' })
  await until(
    () =>
      linesOf(listener)
        .map(({ sequence }) => sequence)
        .join(),
    '1',
  )
  await listener.logs('Connected again')
  await limitTo(other.id)
  expect(await listener.exited).toEqual({ code: 1, signal: null })
  expect(listener.errors()).toMatch(/hookline: .*src_\w+.*\n$/)
})

test('a source that is deleted while listening ends it with one sentence and 1', async () => {
  const source = await world.createSource('deleted')
  const listener = hookline(['listen', source.id], { HOOKLINE_URL: world.baseUrl, HOOKLINE_KEY: world.token })
  await listener.logs('Listening')
  await graphql(world.baseUrl, world.token, 'mutation ($id: ID!) { deleteSource(input: { id: $id }) { __typename } }', {
    id: source.id,
  })
  expect(await listener.exited).toEqual({ code: 1, signal: null })
  expect(listener.errors()).toMatch(/hookline: .*src_\w+.*\n$/)
})
