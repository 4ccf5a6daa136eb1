import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newId } from '../../src/kernel/ids.ts'
import type { Source } from '../../src/sources/index.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { until } from '../support/until.ts'
import { codesOf, dataOf, type Loose, overEventStream, overWebSocket, type Target } from './client.ts'
import { type Gateway, type Project, startGateway } from './gateway.ts'
import { deliveriesOf, ended, isFannedOut, mutate, replay, storeMany, updates } from './operation-requests.ts'

let gateway: Gateway
let receiver: Receiver
/** What the receiver answers to the messages of this body. */
const answers = new Map<string, number>()
beforeAll(async () => {
  gateway = await startGateway()
  receiver = await startReceiver(({ body }) => answers.get(body.toString()) ?? 204)
})
afterAll(async () => {
  await gateway.close()
  await receiver.close()
})

interface World {
  readonly project: Project
  readonly target: Target
  readonly source: Source
}

async function newWorld(): Promise<World> {
  const project = await gateway.newProject()
  const { token } = await project.key(['admin'])
  return { project, target: { baseUrl: gateway.baseUrl, token }, source: await project.source() }
}

/** Records messages and waits until they are fanned out. @returns their ids. */
async function publish({ project }: World, source: Source, bodies: readonly string[]): Promise<string[]> {
  const messages = []
  for (const body of bodies) messages.push(await project.message(source, { body: Buffer.from(body), eventType: body }))
  const last = messages.at(-1)?.sequence ?? 0
  await isFannedOut(gateway.sql, source, last)
  return messages.map(({ id }) => id)
}

/** The ids of what came for an endpoint's path, in order. */
function received(path: string): string[] {
  return receiver.accepted.filter((request) => request.path === path).map(({ headers }) => `${headers['webhook-id']}`)
}

function newPath(): string {
  return `/${newId('ept')}`
}

function urlOf(path: string): string {
  return new URL(path, receiver.url).href
}

describe('replay', () => {
  test('an endpoint created later gets what is stored, under the same ids, with progress', async () => {
    const world = await newWorld()
    const { project, target, source } = world
    const ids = await publish(world, source, ['a', 'b', 'c'])
    const path = newPath()
    const endpoint = await project.endpoint(urlOf(path))
    const first = await replay(target, { endpointId: endpoint.id })
    expect(first).toMatchObject({ kind: 'REPLAY_MESSAGES', status: 'COMPLETED', failureDetail: null })
    expect(first).toMatchObject({ totalCount: 3, doneCount: 3, skippedCount: 0, finishedAt: expect.any(String) })
    await until(() => received(path).toSorted(), ids.toSorted())
    const deliveries = await deliveriesOf(target, { endpointId: endpoint.id })
    expect(deliveries.map(({ operation }) => operation.id)).toEqual(Array(3).fill(first.id))
    // Once more: other deliveries of the same messages.
    const second = await replay(target, { endpointId: endpoint.id, sourceId: source.id })
    await until(() => received(path).length, 6)
    expect(await deliveriesOf(target, { endpointId: endpoint.id })).toHaveLength(6)
    const skipping = await replay(target, { endpointId: endpoint.id, skipsExisting: true })
    expect(skipping).toMatchObject({ status: 'COMPLETED', totalCount: 3, doneCount: 3, skippedCount: 3 })
    const listed = (await dataOf(target, `{ operations { nodes { id apiKey { name } } } }`)).operations.nodes
    expect(listed.map(({ id }: Loose) => id)).toEqual([skipping.id, second.id, first.id])
    expect(listed[0].apiKey).toEqual({ name: 'test' })
  })

  test('sequences, times and filters choose, and the endpoint still filters for itself', async () => {
    const world = await newWorld()
    const { project, target, source } = world
    const other = await project.source()
    const bodies = Array.from({ length: 10 }, (_, n) => `type.${n % 2 ? 'odd' : 'even'}`)
    const ids = await publish(world, source, bodies)
    await publish(world, other, ['type.odd'])
    // Received a minute apart: the last one now.
    await gateway.sql.query(
      `update messages set received_at = now() - make_interval(mins => 10 - sequence::int) where source_id = $1`,
      [source.id],
    )
    const at = (sequence: number) => new Date(Date.now() - (10 - sequence) * 60_000 - 30_000).toISOString()
    const path = newPath()
    const endpoint = await project.endpoint(urlOf(path), [source.id])
    const endpointId = endpoint.id
    const counts = ({ totalCount, doneCount, skippedCount }: Loose) => [totalCount, doneCount, skippedCount]
    const bySequence = { endpointId, sourceId: source.id, fromSequence: 3, toSequence: 5 }
    expect(counts(await replay(target, bySequence))).toEqual([3, 3, 0])
    await until(() => received(path).toSorted(), ids.slice(2, 5).toSorted())
    const byTime = { endpointId, receivedAt: { from: at(7), to: at(9) } }
    expect(counts(await replay(target, byTime))).toEqual([2, 2, 0])
    await until(() => received(path).slice(3).toSorted(), ids.slice(6, 8).toSorted())
    expect(counts(await replay(target, { endpointId, receivedAt: { to: at(1) } }))).toEqual([0, 0, 0])
    const byFilter = { endpointId, filter: { types: ['*.odd'] } }
    expect(counts(await replay(target, byFilter))).toEqual([10, 10, 5])
    await until(() => received(path).length, 10)
    await gateway.sql.query(`update endpoints set filter = $1 where id = $2`, ['{"types":["*.even"]}', endpointId])
    expect(counts(await replay(target, byFilter))).toEqual([10, 10, 10])
    expect(counts(await replay(target, { endpointId }))).toEqual([10, 10, 5])
    await until(() => received(path).length, 15)
  })

  test('what cannot be meant is refused, each with its place', async () => {
    const { project, target, source } = await newWorld()
    const other = await project.source()
    const { id: endpointId } = await project.endpoint('http://127.0.0.1:9/', [source.id])
    const rows: [object, string, string[]][] = [
      [{ endpointId: 'nonsense' }, 'NOT_FOUND', ['endpointId']],
      [{ endpointId: newId('ept') }, 'NOT_FOUND', ['endpointId']],
      [{ endpointId, sourceId: newId('src') }, 'NOT_FOUND', ['sourceId']],
      [{ endpointId, sourceId: 'src' }, 'NOT_FOUND', ['sourceId']],
      [{ endpointId, sourceId: other.id }, 'OUT_OF_RANGE', ['sourceId']],
      [{ endpointId, fromSequence: 1 }, 'REQUIRED', ['sourceId']],
      [{ endpointId, toSequence: 1 }, 'REQUIRED', ['sourceId']],
      [{ endpointId, sourceId: source.id, fromSequence: 0 }, 'OUT_OF_RANGE', ['fromSequence']],
      [{ endpointId, sourceId: source.id, toSequence: -1 }, 'OUT_OF_RANGE', ['toSequence']],
      [{ endpointId, sourceId: source.id, fromSequence: 3, toSequence: 2 }, 'OUT_OF_RANGE', ['toSequence']],
      [
        { endpointId, receivedAt: { from: '2026-01-02T00:00:00Z', to: '2026-01-01T00:00:00Z' } },
        'OUT_OF_RANGE',
        ['receivedAt'],
      ],
      [
        { endpointId, filter: { all: [{ header: { name: 'a b', value: 'c' } }] } },
        'MALFORMED',
        ['filter', 'all', '0', 'header', 'name'],
      ],
    ]
    for (const [input, code, path] of rows) {
      const answer = await mutate(target, 'replayMessages', input)
      expect(answer, JSON.stringify(input)).toMatchObject({ code, path: ['input', ...path] })
    }
    expect((await dataOf(target, '{ operations { nodes { id } } }')).operations.nodes).toEqual([])
  })
})

/** A project with so many messages that an operation on them takes some seconds, and endpoints that send nothing. */
async function newLargeWorld(): Promise<World & { newEndpoint(): Promise<string> }> {
  const world = await newWorld()
  const { project, source } = world
  await storeMany(gateway.sql, source, 12_000)
  return {
    ...world,
    async newEndpoint() {
      const { id } = await project.endpoint('http://127.0.0.1:9/', [source.id])
      await gateway.sql.query(`update endpoint_states set status = 'paused' where endpoint_id = $1`, [id])
      return id
    },
  }
}

describe('an operation under way', () => {
  let world: Awaited<ReturnType<typeof newLargeWorld>>
  beforeAll(async () => {
    world = await newLargeWorld()
  })

  test.each([
    ['WebSocket', overWebSocket],
    ['SSE', overEventStream],
  ] as const)('is followed over %s: as it is, as it moves, at most every second, to its end', async (_name, open) => {
    const { target } = world
    const endpointId = await world.newEndpoint()
    const { operation } = await mutate(target, 'replayMessages', { endpointId })
    const startMs = performance.now()
    const stream = open(target, updates, { id: operation.id })
    const seen: Loose[] = []
    for (let result = await stream.next(); result !== null; result = await stream.next()) {
      seen.push(result.data.operationUpdated)
    }
    expect(seen[0]).toMatchObject({ id: operation.id, status: 'RUNNING', totalCount: 12_000 })
    expect(seen.at(-1)).toMatchObject({ status: 'COMPLETED', doneCount: 12_000, skippedCount: 0 })
    const done = seen.map(({ doneCount }) => doneCount)
    expect(done).toEqual(done.toSorted((a, b) => a - b))
    // The first two and the last do not wait.
    expect(seen.length).toBeLessThanOrEqual(3 + (performance.now() - startMs) / 1000)
    const again = open(target, updates, { id: operation.id })
    expect((await again.next()).data.operationUpdated).toEqual(seen.at(-1))
    expect(await again.next()).toBeNull()
    const rows = await gateway.sql.query(
      `select from deliveries where operation_id = $1 and endpoint_id = $2 and status = 'pending'`,
      [operation.id, endpointId],
    )
    expect(rows).toHaveLength(12_000)
  })

  test('is called off: what is done stays done; twice is no error, later it is too late', async () => {
    const { target } = world
    const { operation } = await mutate(target, 'replayMessages', { endpointId: await world.newEndpoint() })
    const stream = overWebSocket(target, updates, { id: operation.id })
    await stream.next()
    const { operation: canceled } = await mutate(target, 'cancelOperation', { id: operation.id })
    expect(canceled).toMatchObject({ status: 'CANCELED', finishedAt: expect.any(String) })
    expect(canceled.doneCount).toBeLessThan(12_000)
    let last: Loose = null
    for (let result = await stream.next(); result !== null; result = await stream.next()) last = result
    expect(last.data.operationUpdated).toEqual(canceled)
    expect((await mutate(target, 'cancelOperation', { id: operation.id })).operation).toEqual(canceled)
    const made = await gateway.sql.query(`select from deliveries where operation_id = $1`, [operation.id])
    expect(made).toHaveLength(canceled.doneCount)
    const { id } = await replay(target, {
      endpointId: await world.newEndpoint(),
      sourceId: world.source.id,
      toSequence: 1,
    })
    expect(await mutate(target, 'cancelOperation', { id })).toMatchObject({
      code: 'STATE_CONFLICT',
      message: 'The operation is completed already.',
      path: ['input', 'id'],
    })
    expect(await mutate(target, 'cancelOperation', { id: newId('opr') })).toMatchObject({ code: 'NOT_FOUND' })
    expect(await mutate(target, 'cancelOperation', { id: 'x' })).toMatchObject({ code: 'NOT_FOUND' })
  })

  test('ends as failed when its endpoint is deleted', async () => {
    const { target } = world
    const endpointId = await world.newEndpoint()
    const { operation } = await mutate(target, 'replayMessages', { endpointId })
    await dataOf(target, `mutation { deleteEndpoint(input: { id: "${endpointId}" }) { __typename } }`)
    const failed = await ended(target, operation.id)
    expect(failed).toMatchObject({ status: 'FAILED', failureDetail: 'The endpoint was deleted.' })
  })

  test('is one of ten at most in a project', async () => {
    const { target } = world
    const endpointId = await world.newEndpoint()
    const input = { endpointId, filter: { types: ['nothing'] } }
    const asked = await Promise.all(Array.from({ length: 12 }, () => mutate(target, 'replayMessages', input)))
    const begun = asked.filter(({ operation }) => operation !== undefined)
    expect(begun).toHaveLength(10)
    expect(asked.find(({ code }) => code !== undefined)).toMatchObject({ code: 'LIMIT_REACHED', limit: 10 })
    expect(await mutate(target, 'retryDeliveries', { filter: { endpointId } })).toMatchObject({ code: 'LIMIT_REACHED' })
    for (const { operation } of begun) await mutate(target, 'cancelOperation', { id: operation.id })
    const { operation } = await mutate(target, 'retryDeliveries', { filter: { endpointId } })
    expect(await ended(target, operation.id)).toMatchObject({ status: 'COMPLETED', totalCount: 0 })
  })
})

describe('deliveries', () => {
  test('that failed are attempted afresh under the same id, alone or many', async () => {
    const world = await newWorld()
    const { project, target, source } = world
    const path = newPath()
    const body = newId('msg')
    answers.set(body, 410)
    const endpoint = await project.endpoint(urlOf(path))
    const fine = await project.endpoint(urlOf(newPath()))
    const ids = await publish(world, source, Array(5).fill(body))
    const failed = { endpointId: endpoint.id, statuses: ['FAILED'] }
    await until(async () => (await deliveriesOf(target, { endpointId: endpoint.id })).length, 5)
    await gateway.sql.query(
      `update deliveries set status = 'failed', attempt_count = 10, next_attempt_at = null where project_id = $1`,
      [project.id],
    )
    await gateway.sql.query(
      `update endpoint_states set status = 'active', disabled_reason = null, breaker = 'closed', next_probe_at = null,
                                  throttled_until = null where project_id = $1`,
      [project.id],
    )
    answers.set(body, 500)
    const [first, ...rest] = await deliveriesOf(target, failed)
    const { delivery } = await mutate(target, 'retryDelivery', { id: first.id })
    expect(delivery).toMatchObject({ id: first.id, status: 'RETRYING', nextAttemptAt: expect.any(String) })
    // Its eleventh attempt is the first of a new round: it will be tried again.
    const one = async () => (await deliveriesOf(target, { ids: [first.id] }))[0]
    await until(async () => (await one()).attemptCount, 11)
    expect(await one()).toMatchObject({ status: 'RETRYING', attemptCount: 11 })
    answers.delete(body)
    await mutate(target, 'retryDelivery', { id: first.id })
    await until(async () => (await one()).status, 'DELIVERED')
    const { operation } = await mutate(target, 'retryDeliveries', { filter: { endpointId: endpoint.id } })
    expect(operation).toMatchObject({ kind: 'RETRY_DELIVERIES', totalCount: null })
    expect(await ended(target, operation.id)).toMatchObject({
      status: 'COMPLETED',
      totalCount: 4,
      doneCount: 4,
      skippedCount: 0,
    })
    await until(async () => new Set(received(path)), new Set(ids))
    await until(async () => (await deliveriesOf(target, failed)).length, 0)
    const others = await deliveriesOf(target, { endpointId: fine.id })
    expect(others.map(({ status }) => status)).toEqual(Array(5).fill('FAILED'))
    expect(rest).toHaveLength(4)
    // Those of this id and time alone.
    const { operation: narrow } = await mutate(target, 'retryDeliveries', {
      filter: { ids: [others[0].id, others[1].id], createdAt: { from: '2020-01-01T00:00:00Z' } },
    })
    expect(await ended(target, narrow.id)).toMatchObject({ totalCount: 2, doneCount: 2, skippedCount: 0 })
    const { operation: early } = await mutate(target, 'retryDeliveries', {
      filter: { statuses: ['FAILED'], createdAt: { to: '2020-01-01T00:00:00Z' } },
    })
    expect(await ended(target, early.id)).toMatchObject({ totalCount: 0 })
  })

  test('are called off while they wait, and attempted after all; what is final says why not', async () => {
    const world = await newWorld()
    const { project, target, source } = world
    const { id: endpointId } = await project.endpoint(urlOf(newPath()))
    await gateway.sql.query(`update endpoint_states set status = 'paused' where endpoint_id = $1`, [endpointId])
    await publish(world, source, ['a', 'b', 'c'])
    const [a, b, c] = await deliveriesOf(target, { endpointId })
    const canceled = await mutate(target, 'cancelDelivery', { id: a.id })
    expect(canceled.delivery).toMatchObject({ status: 'CANCELED', nextAttemptAt: null })
    expect(await mutate(target, 'cancelDelivery', { id: a.id })).toEqual(canceled)
    expect((await mutate(target, 'retryDelivery', { id: a.id })).delivery).toMatchObject({ status: 'PENDING' })
    await gateway.sql.query(`update deliveries set status = 'delivered', next_attempt_at = null where id = $1`, [b.id])
    await gateway.sql.query(
      `update deliveries set status = 'expired', next_attempt_at = null, message_dropped_at = now() where id = $1`,
      [c.id],
    )
    const conflict = async (name: string, id: string) => {
      const answer = await mutate(target, name, { id })
      expect(answer).toMatchObject({ code: 'STATE_CONFLICT', path: ['input', 'id'] })
      return answer.message
    }
    expect(await conflict('retryDelivery', b.id)).toMatch('replay it')
    expect(await conflict('retryDelivery', c.id)).toMatch('no longer kept')
    expect(await conflict('cancelDelivery', b.id)).toMatch('delivered already')
    expect(await conflict('cancelDelivery', c.id)).toMatch('expired already')
    await mutate(target, 'cancelDelivery', { id: a.id })
    await gateway.sql.query(`delete from messages where source_id = $1`, [source.id])
    expect(await conflict('retryDelivery', a.id)).toMatch('message is no longer kept')
    const { operation } = await mutate(target, 'retryDeliveries', { filter: { statuses: ['CANCELED'] } })
    expect(await ended(target, operation.id)).toMatchObject({ totalCount: 1, doneCount: 1, skippedCount: 1 })
  })
})

describe('a key', () => {
  test('of another project sees, follows and changes nothing', async () => {
    const world = await newWorld()
    const stranger = await newWorld()
    const { id: endpointId } = await world.project.endpoint(urlOf(newPath()))
    await publish(world, world.source, ['a'])
    const [{ id: deliveryId }] = await deliveriesOf(world.target, { endpointId })
    const { id } = await replay(world.target, { endpointId })
    const query = `{ operation(id: "${id}") { id } node(id: "${id}") { id } operations { nodes { id } } }`
    expect(await dataOf(stranger.target, query)).toEqual({ operation: null, node: null, operations: { nodes: [] } })
    expect(codesOf(await overWebSocket(stranger.target, updates, { id }).next())).toEqual(['NOT_FOUND'])
    for (const [name, input] of [
      ['replayMessages', { endpointId }],
      ['cancelOperation', { id }],
      ['retryDelivery', { id: deliveryId }],
      ['cancelDelivery', { id: deliveryId }],
    ] as const) {
      expect(await mutate(stranger.target, name, input), name).toMatchObject({ code: 'NOT_FOUND' })
    }
    const { operation } = await mutate(stranger.target, 'retryDeliveries', { filter: { ids: [deliveryId] } })
    expect(await ended(stranger.target, operation.id)).toMatchObject({ totalCount: 0 })
  })

  test('that is limited to sources replays and retries those alone, and sees such operations alone', async () => {
    const world = await newWorld()
    const { project, target, source } = world
    const own = await project.source()
    const { token } = await project.key(['admin'], { sourceIds: [own.id] })
    const limited = { ...target, token }
    const path = newPath()
    const { id: forAll } = await project.endpoint(urlOf(path))
    const { id: forOwn } = await project.endpoint(urlOf(path), [own.id])
    await publish(world, source, ['a'])
    const [message] = await publish(world, own, ['b'])
    await until(async () => (await deliveriesOf(target, { statuses: ['DELIVERED'] })).length, 3)
    const all = await replay(target, { endpointId: forAll })
    expect(all.totalCount).toBe(2)
    expect(await mutate(limited, 'replayMessages', { endpointId: forAll })).toMatchObject({ code: 'NOT_FOUND' })
    const foreign = { endpointId: forOwn, sourceId: source.id }
    expect(await mutate(limited, 'replayMessages', foreign)).toMatchObject({ code: 'NOT_FOUND' })
    expect(await replay(limited, { endpointId: forOwn })).toMatchObject({ totalCount: 1 })
    await gateway.sql.query(`update deliveries set status = 'failed' where project_id = $1`, [project.id])
    const [foreignDelivery] = await deliveriesOf(target, { sourceId: source.id })
    for (const name of ['retryDelivery', 'cancelDelivery']) {
      expect(await mutate(limited, name, { id: foreignDelivery.id })).toMatchObject({ code: 'NOT_FOUND' })
    }
    expect(await deliveriesOf(limited, { sourceId: source.id })).toEqual([])
    const failed = await deliveriesOf(limited, { statuses: ['FAILED'] })
    expect(new Set(failed.map((delivery) => delivery.message.id))).toEqual(new Set([message]))
    const { operation } = await mutate(limited, 'retryDeliveries', { filter: { statuses: ['FAILED'] } })
    expect(await ended(limited, operation.id)).toMatchObject({ totalCount: failed.length, skippedCount: 0 })
    const seen = (await dataOf(limited, '{ operations { nodes { id } } }')).operations.nodes
    expect(seen).toHaveLength(2)
    expect((await dataOf(limited, `{ operation(id: "${all.id}") { id } }`)).operation).toBeNull()
    expect(codesOf(await overWebSocket(limited, updates, { id: all.id }).next())).toEqual(['NOT_FOUND'])
    expect(await mutate(limited, 'cancelOperation', { id: all.id })).toMatchObject({ code: 'NOT_FOUND' })
  })
})
