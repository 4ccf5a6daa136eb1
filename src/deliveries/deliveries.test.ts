import type { ServerResponse } from 'node:http'
import { Webhook } from 'standardwebhooks'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { createDeliveryWorld, type DeliveryWorld, record, until } from '../../test/support/delivery-world.ts'
import { withTransaction } from '../db/sql.ts'
import { purgeEndpoint } from '../endpoints/index.ts'
import type { ProjectId, SourceId } from '../kernel/ids.ts'
import { fanOutTask } from '../messages/index.ts'

const quick = { retryDelaysMs: [30, 60] }

let world: DeliveryWorld
let projectId: ProjectId
let sourceId: SourceId

beforeAll(async () => {
  world = await createDeliveryWorld()
})

afterAll(() => world.close())

beforeEach(async () => {
  projectId = await world.createProject()
  sourceId = await world.createSource(projectId)
})

afterEach(() => world.reset())

test('a delivery that fails is tried again until it is delivered, under the same ids, signed anew', async () => {
  const body = Buffer.from([0xff, 0x00, 0x7b, 0x0a])
  const receiver = await world.startReceiver((response, _request, count) => {
    response.statusCode = count < 3 ? 500 : 204
    response.end('answer \u0000')
  })
  const { secret } = await world.createEndpoint(projectId, receiver.url, null, quick)
  await world.startWorker()
  const [messageId] = await world.publish(sourceId, 1, { body, contentType: 'application/cbor' })
  await until(async () => expect(await world.statuses()).toEqual({ delivered: 1 }))

  const [delivery] = await world.deliveries()
  expect(receiver.requests).toHaveLength(3)
  for (const [index, { method, headers, body: received }] of receiver.requests.entries()) {
    expect(method).toBe('POST')
    expect(received.equals(body)).toBe(true)
    expect(headers).toMatchObject({
      'content-type': 'application/cbor',
      'user-agent': 'Hookline/1.2.3',
      'webhook-id': messageId,
      'hookline-delivery-id': delivery?.id,
      'hookline-attempt': `${index + 1}`,
    })
  }
  expect(await world.attempts()).toEqual([
    { delivery_id: delivery?.id, number: 1, status: 500, failure: 'STATUS' },
    { delivery_id: delivery?.id, number: 2, status: 500, failure: 'STATUS' },
    { delivery_id: delivery?.id, number: 3, status: 204, failure: null },
  ])
  expect(secret).toMatch(/^whsec_/)
})

test("the signature is one that the specification's own library accepts", async () => {
  const receiver = await world.startReceiver()
  const { secret } = await world.createEndpoint(projectId, receiver.url)
  await world.startWorker()
  await world.publish(sourceId, 1, { body: Buffer.from('{"test": 2432232314}') })
  await until(() => expect(receiver.requests).toHaveLength(1))
  const [request] = receiver.requests
  const headers = Object.fromEntries(Object.entries(request?.headers ?? {}).map(([name, value]) => [name, `${value}`]))
  expect(new Webhook(secret).verify(request?.body.toString() ?? '', headers)).toEqual({ test: 2432232314 })
  expect(headers['content-type']).toBe('application/octet-stream')
})

test('a receiver answering 410 is never tried again', async () => {
  const receiver = await world.startReceiver((response) => {
    response.statusCode = 410
    response.end()
  })
  await world.createEndpoint(projectId, receiver.url, null, quick)
  await world.startWorker()
  await world.publish(sourceId)
  await until(async () => expect(await world.statuses()).toEqual({ failed: 1 }))
  const rows = await world.sql.query(`select id from deliveries where next_attempt_at is not null`)
  expect(rows).toEqual([])
  expect(receiver.requests).toHaveLength(1)
})

test('after the last attempt a delivery has failed', async () => {
  const receiver = await world.startReceiver((response) => response.destroy())
  await world.createEndpoint(projectId, receiver.url, null, quick)
  await world.startWorker()
  await world.publish(sourceId)
  await until(async () => expect(await world.statuses()).toEqual({ failed: 1 }))
  expect((await world.attempts()).map((attempt) => [attempt.number, attempt.failure])).toEqual([
    [1, 'CONNECTION_RESET'],
    [2, 'CONNECTION_RESET'],
    [3, 'CONNECTION_RESET'],
  ])
})

test('a message goes to the endpoints of its project that want its source, and to no other', async () => {
  const receiver = await world.startReceiver()
  const otherProject = await world.createProject()
  const otherSource = await world.createSource(projectId)
  const all = await world.createEndpoint(projectId, `${receiver.url}/all`)
  const own = await world.createEndpoint(projectId, `${receiver.url}/own`, [sourceId])
  await world.createEndpoint(projectId, `${receiver.url}/none`, [])
  await world.createEndpoint(projectId, `${receiver.url}/other`, [otherSource])
  await world.createEndpoint(otherProject, `${receiver.url}/foreign`)
  await world.startWorker()
  await world.publish(sourceId)
  await until(async () => expect(await world.statuses()).toEqual({ delivered: 2 }))
  expect((await world.deliveries()).map((delivery) => delivery.endpoint_id).sort()).toEqual([all.id, own.id].sort())
})

test('two processes that fan out the same messages make one delivery for each endpoint', async () => {
  const receiver = await world.startReceiver()
  for (let i = 0; i < 2; i += 1) await world.createEndpoint(projectId, `${receiver.url}/${i}`)
  await withTransaction(world.pool, (sql) => record(world.queue, sql, { sourceId, count: 1_500 }))
  const again = Array.from({ length: 4 }, (_, i) => ({ payload: { sourceId }, singletonKey: `again-${i}` }))
  await world.queue.enqueue(world.sql, fanOutTask, again)
  await Promise.all([world.startWorker(), world.startWorker()])
  await until(async () => expect(await world.statuses()).toEqual({ delivered: 3_000 }))
  expect(receiver.requests).toHaveLength(3_000)
})

test('a message that is committed after the waiting task was taken up is fanned out all the same', async () => {
  const receiver = await world.startReceiver()
  await world.createEndpoint(projectId, receiver.url)
  // The task that waits, of another transaction, makes the task of ours superfluous.
  await world.queue.enqueue(world.sql, fanOutTask, [{ payload: { sourceId }, singletonKey: sourceId }])
  await withTransaction(world.pool, async (sql) => {
    await record(world.queue, sql, { sourceId })
    await world.startWorker({ promoteIntervalMs: 60_000 })
    await until(async () => {
      const rows = await world.sql.query(`select from pgboss.job where name = 'fan-out' and state = 'active'`)
      expect(rows).toHaveLength(1)
    })
  })
  await until(async () => expect(await world.statuses()).toEqual({ delivered: 1 }))
  expect(await world.sql.query(`select from pgboss.job where name = 'fan-out'`)).toEqual([])
})

test('a backlog of 5,000 deliveries of one endpoint is sent, each once, by two processes', async () => {
  const receiver = await world.startReceiver()
  await world.createEndpoint(projectId, receiver.url)
  await Promise.all([world.startWorker(), world.startWorker()])
  await world.publish(sourceId, 5_000)
  await until(async () => expect(await world.statuses()).toEqual({ delivered: 5_000 }))
  expect(new Set(receiver.requests.map((request) => request.headers['webhook-id'])).size).toBe(5_000)
  expect(receiver.requests).toHaveLength(5_000)
})

test('a hung endpoint delays no other', async () => {
  const hung = await world.startReceiver(() => undefined)
  const healthy = await world.startReceiver()
  const { id: hungId } = await world.createEndpoint(projectId, hung.url)
  await world.createEndpoint(projectId, healthy.url)
  await world.startWorker()
  await world.publish(sourceId, 100)
  await until(() => expect(healthy.requests).toHaveLength(100))
  await world.publish(sourceId, 100)
  await until(() => expect(healthy.requests).toHaveLength(200))
  await until(async () => expect(await world.statuses()).toEqual({ delivered: 200, pending: 200 }))
  const open = (await world.deliveries()).filter((delivery) => delivery.status === 'pending')
  expect(new Set(open.map((delivery) => delivery.endpoint_id))).toEqual(new Set([hungId]))
})

test('three hundred receivers that hang delay none that answers', async () => {
  const hung = await world.startReceiver(() => undefined)
  const healthy = await world.startReceiver()
  const hungSource = await world.createSource(projectId)
  const each = Array.from({ length: 300 }, (_, i) => `${hung.url}/${i}`)
  await Promise.all(each.map((url) => world.createEndpoint(projectId, url, [hungSource])))
  await world.createEndpoint(projectId, healthy.url, [sourceId])
  await world.startWorker()
  await world.publish(hungSource, 5)
  await until(() => expect(new Set(hung.requests.map((request) => request.path)).size).toBe(300))
  await world.publish(sourceId)
  await until(() => expect(healthy.requests).toHaveLength(1))
})

test('receivers of large messages that hang do not fill the memory, and each gets its message when they answer', async () => {
  const waiting: ServerResponse[] = []
  const hung = await world.startReceiver((response) => void waiting.push(response))
  const healthy = await world.startReceiver()
  const small = await world.createSource(projectId)
  for (let i = 0; i < 9; i += 1) await world.createEndpoint(projectId, `${hung.url}/${i}`, [sourceId])
  await world.createEndpoint(projectId, healthy.url, [small])
  await world.startWorker({ maxBodyBytes: 640 * 1024 })
  await world.publish(sourceId, 1, { body: Buffer.alloc(100 * 1024) })
  await until(() => expect(waiting).toHaveLength(6))
  await world.publish(small)
  await until(() => expect(healthy.requests).toHaveLength(1))
  expect(waiting).toHaveLength(6)
  for (const response of waiting.splice(0)) response.end()
  await until(() => expect(waiting).toHaveLength(3))
  for (const response of waiting) response.end()
  await until(async () => expect(await world.statuses()).toEqual({ delivered: 10 }))
  expect(hung.requests).toHaveLength(9)
})

test('what is not under way when an endpoint moves goes to its new address', async () => {
  const waiting: ServerResponse[] = []
  const old = await world.startReceiver((response) => void waiting.push(response))
  const moved = await world.startReceiver()
  const { id } = await world.createEndpoint(projectId, old.url)
  await world.startWorker()
  await world.publish(sourceId, 40)
  await until(() => expect(old.requests).toHaveLength(4))
  await world.sql.query(`update endpoints set url = $1 where id = $2`, [moved.url, id])
  world.epochs.changed()
  for (const response of waiting) response.end()
  await until(async () => expect(await world.statuses()).toEqual({ delivered: 40 }))
  expect([old.requests.length, moved.requests.length]).toEqual([4, 36])
})

test('a deleted endpoint gets nothing but what is under way', async () => {
  const waiting: ServerResponse[] = []
  const receiver = await world.startReceiver((response) => void waiting.push(response))
  const { id } = await world.createEndpoint(projectId, receiver.url)
  await world.startWorker()
  await world.publish(sourceId, 40)
  await until(() => expect(receiver.requests).toHaveLength(4))
  for (const [table, column] of [
    ['endpoints', 'id'],
    ['secrets', 'owner_id'],
    ['endpoint_states', 'endpoint_id'],
  ]) {
    await world.sql.query(`delete from ${table} where ${column} = $1`, [id])
  }
  await world.queue.enqueue(world.sql, purgeEndpoint, [{ payload: { endpointId: id } }])
  world.epochs.changed()
  for (const response of waiting) response.end()
  await until(async () => expect(await world.statuses()).toEqual({ delivered: 4, canceled: 36 }))
  expect(receiver.requests).toHaveLength(4)
})

test('new messages reach an endpoint while an earlier one of its requests hangs', async () => {
  const receiver = await world.startReceiver((response, _request, count) => {
    if (count > 1) response.end()
  })
  await world.createEndpoint(projectId, receiver.url)
  await world.startWorker()
  await world.publish(sourceId)
  await until(() => expect(receiver.requests).toHaveLength(1))
  await world.publish(sourceId, 5)
  await until(() => expect(receiver.requests).toHaveLength(6))
})

test('a stopping process lets go of what hangs, and the next one delivers it under the same id', async () => {
  const receiver = await world.startReceiver((response, _request, count) => {
    if (count > 1) response.end()
  })
  await world.createEndpoint(projectId, receiver.url)
  const first = await world.startWorker({ graceMs: 50 })
  await world.publish(sourceId)
  await until(() => expect(receiver.requests).toHaveLength(1))
  await first.stop()
  expect(await world.attempts()).toEqual([])
  await world.startWorker()
  await until(async () => expect(await world.statuses()).toEqual({ delivered: 1 }))
  const ids = receiver.requests.map((request) => request.headers['hookline-delivery-id'])
  expect(ids[1]).toBe(ids[0])
})

test('what a dead process had under way is delivered after its lease has run out, under the same id', async () => {
  const receiver = await world.startReceiver()
  const { id } = await world.createEndpoint(projectId, receiver.url)
  await world.sql.query(
    `update endpoint_states
        set lease_number = 7, leased_by = 'dead', lease_expires_at = now() + interval '1500 ms'
      where endpoint_id = $1`,
    [id],
  )
  await world.startWorker()
  await world.publish(sourceId)
  await until(async () => expect(await world.statuses()).toEqual({ pending: 1 }))
  const [before] = await world.deliveries()
  expect(receiver.requests).toEqual([])
  await until(async () => expect(await world.statuses()).toEqual({ delivered: 1 }))
  expect(receiver.requests[0]?.headers['hookline-delivery-id']).toBe(before?.id)
})

test('an endpoint whose secret does not open harms nobody else, and leaves no pile of tasks', async () => {
  const receiver = await world.startReceiver()
  const broken = await world.createEndpoint(projectId, `${receiver.url}/broken`)
  await world.sql.query(`update secrets set sealed = 'v1.gone.a.b.c' where owner_id = $1`, [broken.id])
  await world.createEndpoint(projectId, receiver.url)
  await world.startWorker()
  for (let i = 0; i < 20; i += 1) await world.publish(sourceId)
  await until(async () => expect(await world.statuses()).toEqual({ delivered: 20, pending: 20 }))
  const tasks = await world.sql.query(`select from pgboss.job where name = 'drain'`)
  expect(tasks.length).toBeLessThanOrEqual(1)
})

test('an endpoint without a secret gets nothing, and is not looked at all the time', async () => {
  const receiver = await world.startReceiver()
  const { id } = await world.createEndpoint(projectId, receiver.url)
  await world.sql.query(`update secrets set expires_at = now()`)
  await world.startWorker()
  await world.publish(sourceId)
  await until(async () => {
    const resting = `select from endpoint_states where leased_by is null and lease_expires_at > now() and endpoint_id = $1`
    expect(await world.sql.query(resting, [id])).toHaveLength(1)
  })
  expect(receiver.requests).toEqual([])
  expect(await world.statuses()).toEqual({ pending: 1 })
})

test('a message with a content type that cannot be sent fails by itself', async () => {
  const receiver = await world.startReceiver()
  await world.createEndpoint(projectId, receiver.url, null, { retryDelaysMs: [] })
  await world.startWorker()
  await world.publish(sourceId, 1, { contentType: 'text/\u0001' })
  await world.publish(sourceId)
  await until(async () => expect(await world.statuses()).toEqual({ delivered: 1, failed: 1 }))
  const [detail] = await world.sql.query(`select failure_detail from attempts where failure is not null`)
  expect(detail).toEqual({ failure_detail: 'the request could not be sent' })
})
