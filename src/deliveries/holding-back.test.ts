import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { createDeliveryWorld, type DeliveryWorld, type Receiver, until } from '../../test/support/delivery-world.ts'
import { withTransaction } from '../db/sql.ts'
import { pause, readStates, resume } from '../endpoints/endpoint-state.ts'
import type { EndpointId, ProjectId, SourceId } from '../kernel/ids.ts'
import { promoteDue } from './promote.ts'

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

const delivered = (count: number) => until(async () => expect(await world.statuses()).toEqual({ delivered: count }))

async function stateOf(id: EndpointId) {
  return (await readStates(world.sql, [id])).get(id)
}

/** What waits for a time waits for it no longer. */
const hurry = () =>
  world.sql.query(
    `update endpoint_states
        set next_probe_at = least(next_probe_at, now()), throttled_until = least(throttled_until, now())`,
  )

/** Answers as `status` says, which may change. */
async function answering(status: () => number): Promise<Receiver> {
  return await world.startReceiver((response) => {
    response.statusCode = status()
    response.end()
  })
}

test('the deliveries of a paused endpoint are created and wait, and go when it is resumed', async () => {
  const receiver = await world.startReceiver()
  const { id } = await world.createEndpoint(projectId, receiver.url)
  await world.createEndpoint(projectId, `${receiver.url}/other`)
  await pause(world.sql, id)
  await world.startWorker()
  await world.publish(sourceId, 20)
  await until(async () => expect(await world.statuses()).toEqual({ pending: 20, delivered: 20 }))
  expect(receiver.requests.every(({ path }) => path === '/hook/other')).toBe(true)
  await resume(world.sql, id)
  await delivered(40)
})

test('pausing stops a backlog in the middle', async () => {
  const receiver = await world.startReceiver((response) => setTimeout(() => response.end(), 10))
  const { id } = await world.createEndpoint(projectId, receiver.url, null, { maxConcurrency: 1 })
  await world.startWorker()
  await world.publish(sourceId, 100)
  await until(() => expect(receiver.requests.length).toBeGreaterThan(3))
  await pause(world.sql, id)
  const atPause = receiver.requests.length
  await until(async () => {
    const [free] = await world.sql.query<{ isFree: boolean }>(
      `select leased_by is null as "isFree" from endpoint_states`,
    )
    expect(free?.isFree).toBe(true)
  })
  // What was under way, and what went before the next outcome was settled.
  expect(receiver.requests.length - atPause).toBeLessThan(20)
  await resume(world.sql, id)
  await delivered(100)
})

test('a paused endpoint costs nobody who looks for work anything, however much it has', async () => {
  const { id } = await world.createEndpoint(projectId, 'http://127.0.0.1:9/')
  const { id: ordered } = await world.createEndpoint(projectId, 'http://127.0.0.1:9/', null, { isOrdered: true })
  await pause(world.sql, id)
  await pause(world.sql, ordered)
  await world.sql.query(
    `insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, status, next_attempt_at,
                             created_at, updated_at)
     select 'dlv_' || e || n, $1, 'src', n, 'msg_' || n, e, 'pending', now(), now(), now()
       from generate_series(1, 2000) as n
      cross join unnest($2::text[]) as e`,
    [projectId, [id, ordered]],
  )
  const scans = `select seq_scan + idx_scan as scans from pg_stat_xact_user_tables where relname = 'deliveries'`
  const [before, after] = await withTransaction(world.pool, async (sql) => {
    const first = await sql.query(scans)
    expect(await promoteDue({ sql, queue: world.queue })).toEqual([])
    return [first, await sql.query(scans)]
  })
  expect(after).toEqual(before)
})

test('an endpoint that has nothing to be sent is found so without reading the backlogs of others', async () => {
  const { id: busy } = await world.createEndpoint(projectId, 'http://127.0.0.1:9/')
  await world.sql.query(`update endpoint_states set lease_expires_at = now() + interval '1 hour'`)
  for (let i = 0; i < 3; i += 1) await world.createEndpoint(projectId, 'http://127.0.0.1:9/')
  await world.sql.query(
    `insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, status, next_attempt_at,
                             created_at, updated_at)
     select 'dlv_' || n, $1, 'src', n, 'msg_' || n, $2, 'pending', now(), now(), now()
       from generate_series(1, 5000) as n`,
    [projectId, busy],
  )
  await world.sql.query('analyze deliveries')
  // What the connection did in earlier transactions may be counted here too.
  const reads = `select seq_scan, idx_tup_fetch from pg_stat_xact_user_tables where relname = 'deliveries'`
  const [before, after] = await withTransaction(world.pool, async (sql) => {
    const first = await sql.query(reads)
    expect(await promoteDue({ sql, queue: world.queue })).toEqual([])
    return [first, await sql.query(reads)]
  })
  expect(after).toEqual(before)
})

test('an endpoint that answers 410 is disabled: what is left waits until somebody resumes it', async () => {
  let status = 410
  const receiver = await answering(() => status)
  const { id } = await world.createEndpoint(projectId, receiver.url, null, { maxConcurrency: 1 })
  await world.startWorker()
  await world.publish(sourceId, 10)
  await until(async () => expect(await stateOf(id)).toMatchObject({ status: 'disabled' }))
  await until(async () => expect(await world.sql.query(`select from pgboss.job where name = 'drain'`)).toEqual([]))
  const { failed = 0, pending = 0 } = await world.statuses()
  expect(failed + pending).toBe(10)
  expect(pending).toBeGreaterThanOrEqual(8)
  status = 200
  await resume(world.sql, id)
  await until(async () => expect(await world.statuses()).toEqual({ failed, delivered: pending }))
})

test('an endpoint that asks for a pause gets one, all its deliveries alike', async () => {
  let status = 429
  const receiver = await world.startReceiver((response) => {
    response.statusCode = status
    response.setHeader('retry-after', new Date(Date.now() + 120_000).toUTCString()).end()
  })
  const other = await world.startReceiver()
  const { id } = await world.createEndpoint(projectId, receiver.url, null, { retryDelaysMs: [1] })
  await world.createEndpoint(projectId, other.url)
  await world.startWorker()
  await world.publish(sourceId, 50)
  await until(async () => expect(await world.statuses()).toMatchObject({ delivered: 50 }))
  await until(async () => expect((await stateOf(id))?.throttledUntil).not.toBeNull())
  const asked = receiver.requests.length
  expect(asked).toBeLessThanOrEqual(4)
  await world.publish(sourceId, 1)
  await until(async () => expect(await world.statuses()).toMatchObject({ delivered: 51 }))
  expect(receiver.requests).toHaveLength(asked)
  status = 200
  await hurry()
  await until(async () => expect(await world.statuses()).toEqual({ delivered: 102 - asked, retrying: asked }))
})

test('a dead endpoint is probed, its deliveries keep their attempts, and all go when it answers again', async () => {
  let status = 500
  const receiver = await answering(() => status)
  const { id } = await world.createEndpoint(projectId, receiver.url, null, { retryDelaysMs: [1, 1, 1] })
  await world.startWorker()
  await world.publish(sourceId, 300)
  await until(async () => expect(await stateOf(id)).toMatchObject({ breaker: 'open' }))
  await until(async () =>
    expect(await world.sql.query(`select from endpoint_states where leased_by is null`)).toHaveLength(1),
  )
  const before = receiver.requests.length
  expect(before).toBeLessThan(20)
  await hurry()
  await until(() => expect(receiver.requests).toHaveLength(before + 1))
  await until(async () => expect(await stateOf(id)).toMatchObject({ breaker: 'open', nextProbeAt: expect.any(Date) }))
  expect(receiver.requests).toHaveLength(before + 1)
  status = 200
  await hurry()
  await delivered(300)
  expect(await stateOf(id)).toMatchObject({ breaker: 'closed', consecutiveFailureCount: 0 })
})

test('messages that an endpoint fails at do not keep those from it that it would take', async () => {
  const receiver = await world.startReceiver((response, { body }) => {
    response.statusCode = body.toString() === 'poison' ? 500 : 200
    response.end()
  })
  await world.createEndpoint(projectId, receiver.url)
  await world.startWorker()
  await world.publish(sourceId, 60, { body: Buffer.from('poison') })
  await until(() => expect(receiver.requests.length).toBeGreaterThanOrEqual(10))
  await world.publish(sourceId, 1)
  await until(async () => {
    await hurry()
    expect(await world.statuses()).toMatchObject({ delivered: 1 })
  })
  expect(receiver.requests.findIndex(({ body }) => body.toString() === '{}')).toBeLessThan(40)
})

test('of any second no more deliveries begin than the rate says, whichever process sends', async () => {
  const arrivals: number[] = []
  const receiver = await world.startReceiver((response) => {
    arrivals.push(performance.now())
    response.end()
  })
  const limit = { count: 20, windowMs: 1_000 }
  await world.createEndpoint(projectId, receiver.url, null, { rateLimit: limit })
  const first = await world.startWorker()
  await world.publish(sourceId, 50)
  await until(() => expect(arrivals).toHaveLength(20))
  await first.stop()
  await world.startWorker()
  await delivered(50)
  // Requests may reach the receiver somewhat closer to each other than they began.
  const inWindow = arrivals.map((at) => arrivals.filter((other) => other >= at && other < at + 900).length)
  expect(Math.max(...inWindow)).toBe(20)
})

test('an endpoint that has used up its rate for long makes room for others', async () => {
  const receiver = await world.startReceiver()
  const rateLimit = { count: 3, windowMs: 3_600_000 }
  await world.createEndpoint(projectId, receiver.url, null, { rateLimit })
  await world.startWorker()
  await world.publish(sourceId, 5)
  await until(async () => {
    const resting = `select from endpoint_states where leased_by is null and lease_expires_at > now()`
    expect(await world.sql.query(resting)).toHaveLength(1)
  })
  expect(receiver.requests).toHaveLength(3)
  await world.sql.query(`update endpoints set rate_limit = null`)
  world.epochs.changed()
  await world.sql.query(`update endpoint_states set lease_expires_at = now()`)
  await delivered(5)
})

test('no more attempts run at once than the endpoint says, whichever process sends', async () => {
  let open = 0
  let most = 0
  const receiver = await world.startReceiver((response) => {
    open += 1
    most = Math.max(most, open)
    setTimeout(() => {
      open -= 1
      response.end()
    }, 5)
  })
  const few = await world.createEndpoint(projectId, `${receiver.url}/few`, null, { maxConcurrency: 3 })
  await Promise.all([world.startWorker(), world.startWorker()])
  await world.publish(sourceId, 100)
  await delivered(100)
  expect(most).toBe(3)
  await world.sql.query(`update endpoints set max_concurrency = 40 where id = $1`, [few.id])
  world.epochs.changed()
  await world.publish(sourceId, 300)
  await delivered(400)
  expect(most).toBeGreaterThan(20)
  expect(most).toBeLessThanOrEqual(40)
})

/** The sequences in the order in which they were accepted, by source. */
async function acceptedOrder(receiver: Receiver): Promise<Map<string, number[]>> {
  const messages = await world.sql.query<{ id: string; source_id: string; sequence: number }>(
    `select id, source_id, sequence from messages`,
  )
  const byId = new Map(messages.map((message) => [message.id, message]))
  const accepted = receiver.requests.flatMap(({ headers }) => byId.get(`${headers['webhook-id']}`) ?? [])
  return new Map(
    [...Map.groupBy(accepted, (message) => message.source_id)].map(([id, own]) => [id, own.map((m) => m.sequence)]),
  )
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1)

test('an ordered endpoint gets the messages of each source one at a time, by sequence, through failures', async () => {
  const open = new Set<string>()
  let overlaps = 0
  const failedOnce = new Set<string>()
  const accepted: Receiver['requests'] = []
  const receiver = await world.startReceiver((response, request) => {
    const id = `${request.headers['webhook-id']}`
    const source = request.body.toString()
    if (open.has(source)) overlaps += 1
    open.add(source)
    setTimeout(() => {
      open.delete(source)
      const fails = failedOnce.size < 6 && !failedOnce.has(id)
      if (fails) failedOnce.add(id)
      else accepted.push(request)
      response.statusCode = fails ? 404 : 200
      response.end()
    }, 2)
  })
  const other = await world.createSource(projectId)
  await world.createEndpoint(projectId, receiver.url, null, { isOrdered: true, retryDelaysMs: [30, 30] })
  await Promise.all([world.startWorker(), world.startWorker()])
  for (let i = 0; i < 3; i += 1) {
    await world.publish(sourceId, 10, { body: Buffer.from('a') })
    await world.publish(other, 10, { body: Buffer.from('b') })
  }
  await delivered(60)
  expect(overlaps).toBe(0)
  expect(await acceptedOrder({ ...receiver, requests: accepted })).toEqual(
    new Map([
      [sourceId, upTo(30)],
      [other, upTo(30)],
    ]),
  )
})

test('at an ordered endpoint a hanging message holds up its own source alone, and one that failed for good holds up none', async () => {
  const receiver = await world.startReceiver((response, { body }) => {
    if (body.toString() === 'hangs') return
    response.statusCode = body.toString() === 'fails' ? 400 : 200
    response.end()
  })
  const hanging = await world.createSource(projectId)
  await world.createEndpoint(projectId, receiver.url, null, { isOrdered: true, retryDelaysMs: [] })
  await world.startWorker()
  await world.publish(hanging, 2, { body: Buffer.from('hangs') })
  await until(() => expect(receiver.requests).toHaveLength(1))
  await world.publish(sourceId, 1, { body: Buffer.from('fails') })
  await world.publish(sourceId, 20)
  await until(async () => expect(await world.statuses()).toEqual({ pending: 2, failed: 1, delivered: 20 }))
  expect(await acceptedOrder(receiver)).toEqual(
    new Map([
      [hanging, [1]],
      [sourceId, upTo(21)],
    ]),
  )
})

test('at an ordered endpoint what is under way holds up its source, also when it is called off or an earlier one is replayed', async () => {
  const held: (() => void)[] = []
  const receiver = await world.startReceiver((response, _request, count) => {
    if (count === 1 || count > 2) response.end()
    else held.push(() => response.end())
  })
  const other = await world.createSource(projectId)
  const { id } = await world.createEndpoint(projectId, receiver.url, null, { isOrdered: true })
  await world.startWorker()
  await world.publish(sourceId, 3)
  await until(() => expect(held).toHaveLength(1))
  await world.sql.query(`update deliveries set status = 'canceled', next_attempt_at = null where sequence = 2`)
  await world.sql.query(
    `insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, operation_id, status,
                             next_attempt_at, created_at, updated_at)
     select 'dlv_replayed', m.project_id, m.source_id, m.sequence, m.id, $1, 'op_1', 'pending', now(), now(), now()
       from messages as m
      where m.sequence = 1`,
    [id],
  )
  // The drain looks again, and finds what it may send.
  await world.publish(other, 2)
  await until(async () => expect((await acceptedOrder(receiver)).get(other)).toEqual([1, 2]))
  expect((await acceptedOrder(receiver)).get(sourceId)).toEqual([1, 2])
  held[0]?.()
  await delivered(6)
  expect((await acceptedOrder(receiver)).get(sourceId)).toEqual([1, 2, 1, 3])
})

test('an ordered endpoint gets nothing before all that comes earlier was fanned out', async () => {
  const receiver = await world.startReceiver()
  const { id } = await world.createEndpoint(projectId, receiver.url, null, { isOrdered: true })
  await world.publish(sourceId, 3)
  await world.queue.enqueue(world.sql, (await import('./drain.task.ts')).drainTask, [
    { payload: { endpointId: id }, singletonKey: id },
  ])
  await world.sql.query(`delete from pgboss.job where name = 'fan-out'`)
  await world.sql.query(
    `insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, operation_id, status,
                             next_attempt_at, created_at, updated_at)
     select 'dlv_replayed', m.project_id, m.source_id, m.sequence, m.id, $1, 'op_1', 'pending', now(), now(), now()
       from messages as m
      where m.sequence = 3`,
    [id],
  )
  await world.startWorker()
  await until(async () => expect(await world.sql.query(`select from pgboss.job where name = 'drain'`)).toEqual([]))
  expect(receiver.requests).toEqual([])
  await world.publish(sourceId, 1)
  await delivered(5)
  expect([...(await acceptedOrder(receiver)).values()]).toEqual([[1, 2, 3, 3, 4]])
})
