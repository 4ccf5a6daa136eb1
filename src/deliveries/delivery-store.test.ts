import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { createDeliveryWorld, type DeliveryWorld, until } from '../../test/support/delivery-world.ts'
import type { DeliveryId, EndpointId, ProjectId, SourceId } from '../kernel/ids.ts'
import type { Delivery, DeliveryFilter } from './delivery.ts'
import { createDeliveryStore, type DeliveryStore } from './delivery-store.ts'
import { watchDeliveries } from './watch-deliveries.ts'

let world: DeliveryWorld
let store: DeliveryStore
let projectId: ProjectId
let sourceId: SourceId

beforeAll(async () => {
  world = await createDeliveryWorld()
})

afterAll(() => world.close())

beforeEach(async () => {
  store = createDeliveryStore(world.sql)
  projectId = await world.createProject()
  sourceId = await world.createSource(projectId)
})

afterEach(() => world.reset())

const place = (messageId: string) => ({ messageId: messageId as Delivery['messageId'], after: null })

/** Two endpoints, of which the second always fails. */
async function deliver(messages: number): Promise<[EndpointId, EndpointId]> {
  const receiver = await world.startReceiver((response, request) => {
    response.statusCode = request.path === '/hook/bad' ? 404 : 200
    response.setHeader('x-answer', 'yes').end(request.path)
  })
  const good = await world.createEndpoint(projectId, `${receiver.url}/good`)
  const bad = await world.createEndpoint(projectId, `${receiver.url}/bad`, null, { retryDelaysMs: [] })
  await world.startWorker()
  await world.publish(sourceId, messages)
  await until(async () => expect(await world.statuses()).toEqual({ delivered: messages, failed: messages }))
  return [good.id, bad.id]
}

async function allPages(order: 'newest-first' | 'oldest-first', filter: DeliveryFilter, first: number) {
  const ids: DeliveryId[] = []
  let after: DeliveryId | null = null
  for (;;) {
    const page = await store.page({ projectId, filter, order, first, after })
    ids.push(...page.rows.map((row) => row.id))
    if (!page.hasMore) return ids
    after = page.lookedToId
  }
}

test('pages show every delivery once, in either order, of an endpoint or in a state', async () => {
  const [good, bad] = await deliver(25)
  const all = (await world.deliveries()).map((delivery) => delivery.id)
  expect(await allPages('oldest-first', {}, 7)).toEqual(all)
  expect(await allPages('newest-first', {}, 7)).toEqual([...all].reverse())
  const ofBad = await allPages('oldest-first', { endpointId: bad }, 7)
  expect(ofBad).toHaveLength(25)
  expect(await allPages('oldest-first', { statuses: ['failed'] }, 7)).toEqual(ofBad)
  expect(await allPages('oldest-first', { endpointId: good, statuses: ['failed'] }, 7)).toEqual([])
  expect(await allPages('oldest-first', { sourceIds: [] }, 7)).toEqual([])
  expect(await allPages('oldest-first', { sourceIds: [sourceId] }, 50)).toEqual(all)
})

test('what a filter hides ends a page early, and the next one goes on behind it; dead letters are found at once', async () => {
  await world.sql.query(
    `insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, status, created_at, updated_at)
     select 'dlv_' || lpad(n::text, 8, '0'), $1, $2, n, 'msg_' || n, 'ept_1',
            case n when 20000 then 'retrying' when 20001 then 'failed' else 'delivered' end, now(), now()
       from generate_series(1, 25000) as n`,
    [projectId, sourceId],
  )
  const query = { projectId, filter: { statuses: ['retrying' as const] }, order: 'oldest-first' as const, first: 10 }
  const first = await store.page({ ...query, after: null })
  expect(first).toEqual({ rows: [], lookedToId: 'dlv_00010000', hasMore: true })
  const second = await store.page({ ...query, after: first.lookedToId })
  expect(second).toMatchObject({ rows: [{ sequence: 20_000 }], lookedToId: 'dlv_00020000', hasMore: true })
  const third = await store.page({ ...query, after: second.lookedToId })
  expect(third).toMatchObject({ rows: [], hasMore: false })
  for (const endpointId of [undefined, 'ept_1' as EndpointId]) {
    const filter = { statuses: ['failed' as const], ...(endpointId ? { endpointId } : {}) }
    const dead = await store.page({ ...query, filter, after: null })
    expect(dead).toMatchObject({ rows: [{ sequence: 20_001 }], lookedToId: 'dlv_00020001', hasMore: false })
  }
  const others = { statuses: ['failed' as const], endpointId: 'ept_2' as EndpointId }
  expect(await store.page({ ...query, filter: others, after: null })).toMatchObject({ rows: [], hasMore: false })
})

test('nothing of another project is shown', async () => {
  await deliver(1)
  const other = await world.createProject()
  const [own] = await world.deliveries()
  const id = own?.id as DeliveryId
  expect(await store.byId(projectId, id)).toMatchObject({ id, projectId })
  expect(await store.byId(other, id)).toBeNull()
  expect(await store.byIds(other, [id])).toEqual([])
  expect(await store.latest(other, {}, 10)).toEqual([])
  expect((await store.ofMessages(other, [place(own?.message_id ?? '')], 10)).size).toBe(0)
})

test('the deliveries of messages and the attempts of deliveries are read for many at once', async () => {
  await deliver(3)
  const deliveries = await world.deliveries()
  const messageIds = [...new Set(deliveries.map((delivery) => delivery.message_id))]
  const ofMessages = await store.ofMessages(projectId, messageIds.map(place), 1)
  expect([...ofMessages.keys()].sort()).toEqual(messageIds.sort())
  for (const found of ofMessages.values()) expect(found).toHaveLength(2)
  const attempts = await store.attemptsOf(
    deliveries.map((delivery) => ({ deliveryId: delivery.id as DeliveryId, after: null })),
    10,
  )
  expect(attempts.size).toBe(6)
  for (const [attempt] of attempts.values()) {
    expect(attempt).toMatchObject({ number: 1, response: { isTruncated: false } })
    expect(attempt?.response?.headers).toContainEqual(['x-answer', 'yes'])
    expect(attempt?.response?.body.toString()).toMatch(/^\/hook\/(good|bad)$/)
    expect(attempt?.failure).toBe(attempt?.response?.status === 404 ? 'STATUS' : null)
  }
})

test('who watches sees what is there, then each delivery as it is created and changes', async () => {
  const [good] = await deliver(2)
  const stop = new AbortController()
  const seen: Delivery[] = []
  const watching = (async () => {
    const options = { projectId, filter: { endpointId: good }, signal: stop.signal }
    for await (const delivery of watchDeliveries({ store, bus: world.bus }, options)) seen.push(delivery)
  })()
  await until(() => expect(seen).toHaveLength(2))
  expect(seen.map((delivery) => delivery.sequence)).toEqual([2, 1])
  await world.publish(sourceId)
  await until(() => expect(seen.at(-1)).toMatchObject({ sequence: 3, status: 'delivered' }))
  expect(seen.every((delivery) => delivery.endpointId === good)).toBe(true)
  stop.abort()
  await watching
})

test('a change whose wake-up was lost is seen all the same', async () => {
  await deliver(1)
  const deaf = { subscribe: () => () => undefined, isHealthy: () => false }
  const stop = new AbortController()
  const seen: Delivery[] = []
  const watching = (async () => {
    const options = { projectId, filter: {}, signal: stop.signal }
    for await (const delivery of watchDeliveries({ store, bus: deaf }, options)) seen.push(delivery)
  })()
  await until(() => expect(seen).toHaveLength(2))
  await world.publish(sourceId)
  await until(() =>
    expect(seen.filter((delivery) => delivery.sequence === 2 && delivery.nextAttemptAt === null)).toHaveLength(2),
  )
  stop.abort()
  await watching
})

test('who watches goes on after the database was away, and sees what changed meanwhile', async () => {
  await deliver(1)
  let isAway = false
  const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  const flaky: typeof store = {
    ...store,
    latest: async (...input) => (isAway ? Promise.reject(refused) : store.latest(...input)),
    byIds: async (...input) => (isAway ? Promise.reject(refused) : store.byIds(...input)),
  }
  const stop = new AbortController()
  const seen: Delivery[] = []
  const watching = (async () => {
    const options = { projectId, filter: {}, signal: stop.signal }
    for await (const delivery of watchDeliveries({ store: flaky, bus: world.bus }, options)) seen.push(delivery)
  })()
  await until(() => expect(seen).toHaveLength(2))
  isAway = true
  await world.publish(sourceId)
  const settled = async () => {
    const all = await store.latest(projectId, {}, 10)
    return all.length === 4 && all.every(({ nextAttemptAt }) => nextAttemptAt === null)
  }
  await until(async () => expect(await settled()).toBe(true))
  isAway = false
  await until(() =>
    expect(seen.filter((delivery) => delivery.sequence === 2 && delivery.nextAttemptAt === null)).toHaveLength(2),
  )
  stop.abort()
  await watching
})
