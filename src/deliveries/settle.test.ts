import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { createDeliveryWorld, type DeliveryWorld, until } from '../../test/support/delivery-world.ts'
import { type Sql, sqlOfPool, withTransaction } from '../db/sql.ts'
import { type DeliveryId, type EndpointId, newId, type ProjectId } from '../kernel/ids.ts'
import { createLog } from '../kernel/log.ts'
import type { Decision } from './decide-next.ts'
import { type Lease, type LockedRows, letGoIfIdle, renewLeases, takeLease } from './lease.ts'
import { type Settlement, settle } from './settle.ts'
import { createSettler, type SettlerOptions } from './settler.ts'

let world: DeliveryWorld
let projectId: ProjectId
let endpointId: EndpointId

beforeAll(async () => {
  world = await createDeliveryWorld()
})

afterAll(() => world.close())

beforeEach(async () => {
  projectId = await world.createProject()
  endpointId = (await world.createEndpoint(projectId, 'http://127.0.0.1/')).id
})

afterEach(() => world.reset())

async function openDelivery(endpoint = endpointId): Promise<DeliveryId> {
  const id = newId('dlv')
  await world.sql.query(
    `insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, status, next_attempt_at,
                             created_at, updated_at)
     values ($1, $2, 'src', 1, $3, $4, 'pending', now(), now(), now())`,
    [id, projectId, newId('msg'), endpoint],
  )
  return id
}

async function lease(endpoint = endpointId, instanceId = 'me'): Promise<Lease> {
  const taken = await takeLease(world.sql, endpoint, instanceId)
  if (taken === null) throw new Error('the lease is held')
  return taken
}

function settlement(
  deliveryId: DeliveryId,
  held: Lease,
  over: { status?: number; decision?: Partial<Decision> } = {},
): Settlement {
  const status = over.status ?? 500
  return {
    attemptId: newId('att'),
    deliveryId,
    lease: held,
    attemptNumber: 1,
    outcome: {
      startedAt: new Date(),
      durationMs: 12.5,
      response: {
        status,
        headers: [['x', 'a\u0000b']],
        body: Buffer.from([0, 1, 255]),
        isTruncated: false,
        announcedBytes: 3,
      },
      failure: status === 200 ? null : 'STATUS',
      failureDetail: status === 200 ? null : 'with \u0000',
      retryAfter: null,
    },
    decision: {
      throttleMs: null,
      ...(status === 200 ? { kind: 'delivered' } : { kind: 'retry', delayMs: 60_000 }),
      ...over.decision,
    } as Decision,
    isProbe: false,
  }
}

function newSettler(over: Partial<SettlerOptions> = {}) {
  const log = createLog({ level: 'silent', isPretty: false })
  const keyedSql = sqlOfPool(world.keyedPool)
  return createSettler({ sql: world.sql, keyedSql, instanceId: 'me', log, onSettled: () => undefined, ...over })
}

const leaving = { instanceId: 'me', rateLog: null }

const settleNow = (batch: Settlement[], lockedRows: LockedRows = 'skip') =>
  settle(world.sql, batch, { instanceId: 'me', lockedRows })

async function stateOf(id: DeliveryId) {
  return (await world.deliveries()).find((delivery) => delivery.id === id)
}

test('an attempt and what follows from it are written together, whatever bytes came back', async () => {
  const id = await openDelivery()
  const [settled] = await settleNow([settlement(id, await lease())])
  expect(settled).toMatchObject({ deliveryId: id, projectId, status: 'retrying', holdsLease: true })
  expect(await stateOf(id)).toMatchObject({ status: 'retrying', attempt_count: 1 })
  const [attempt] = await world.sql.query(`select response_body, response_headers, failure_detail from attempts`)
  expect(attempt).toEqual({
    response_body: Buffer.from([0, 1, 255]),
    response_headers: '[["x","a\\u0000b"]]',
    failure_detail: 'with \ufffd',
  })
  const due = `select extract(epoch from next_attempt_at - now())::float8 as seconds from deliveries`
  const [{ seconds } = { seconds: 0 }] = await world.sql.query<{ seconds: number }>(due)
  expect(seconds).toBeGreaterThan(55)
  expect(seconds).toBeLessThan(61)
})

test('an outcome under a lease that another has taken over is recorded and decides nothing', async () => {
  const id = await openDelivery()
  const stale = await lease()
  await world.sql.query(`update endpoint_states set lease_expires_at = now()`)
  const current = await lease(endpointId, 'other')
  expect(await settleNow([settlement(id, stale)])).toMatchObject([{ status: null, holdsLease: false }])
  expect(await stateOf(id)).toMatchObject({ status: 'pending', attempt_count: 0 })
  expect(await world.attempts()).toHaveLength(1)
  expect(current.number).toBe(stale.number + 1)
})

test('an outcome of an attempt that was counted already decides nothing', async () => {
  const id = await openDelivery()
  const held = await lease()
  await settleNow([settlement(id, held)])
  const given = settlement(id, held, { decision: { kind: 'failed', isGone: false } })
  expect(await settleNow([given])).toMatchObject([{ status: null, holdsLease: true }])
  expect(await stateOf(id)).toMatchObject({ status: 'retrying', attempt_count: 1 })
  expect(await world.attempts()).toHaveLength(2)
})

test.each(['pending', 'failed', 'canceled'])(
  'what a receiver accepted is delivered, also if it is %s by now',
  async (status) => {
    const id = await openDelivery()
    const stale = await lease()
    await world.sql.query(`update endpoint_states set lease_expires_at = now()`)
    await lease(endpointId, 'other')
    await world.sql.query(`update deliveries set status = $1, next_attempt_at = null where $1 <> 'pending'`, [status])
    expect(await settleNow([settlement(id, stale, { status: 200 })])).toMatchObject([{ status: 'delivered' }])
    expect(await stateOf(id)).toMatchObject({ status: 'delivered', attempt_count: 1 })
    expect(await world.sql.query(`select from deliveries where next_attempt_at is not null`)).toEqual([])
  },
)

test('an endpoint whose row is locked does not hold up the outcomes of others, and has its own settled later', async () => {
  const other = (await world.createEndpoint(projectId, 'http://127.0.0.1/')).id
  const [own, others] = [await openDelivery(), await openDelivery(other)]
  const [ownLease, otherLease] = [await lease(), await lease(other)]
  const settler = newSettler()
  const late = await withTransaction(world.pool, async (sql) => {
    await sql.query(`select from endpoint_states where endpoint_id = $1 for update`, [endpointId])
    const waiting = settler.settle(settlement(own, ownLease))
    expect(await settler.settle(settlement(others, otherLease))).toMatchObject({ status: 'retrying' })
    expect(await stateOf(own)).toMatchObject({ status: 'pending' })
    return { waiting }
  })
  expect(await late.waiting).toMatchObject({ status: 'retrying', holdsLease: true })
})

test('many outcomes are written by few transactions', async () => {
  const held = await lease()
  const ids = await Promise.all(Array.from({ length: 300 }, () => openDelivery()))
  const batches: number[] = []
  const settler = newSettler({ onSettled: (batch) => void batches.push(batch.length) })
  await Promise.all(ids.map((id) => settler.settle(settlement(id, held, { status: 200 }))))
  expect(batches).toEqual([1, 299])
  expect(await world.statuses()).toEqual({ delivered: 300 })
})

/** The world's database, away or refusing for the first statements. */
function failingFirst(count: number, failure: () => Error): { sql: Sql; tried: () => number } {
  let calls = 0
  const sql: Sql = {
    query: (...given) => {
      calls += 1
      return calls <= count ? Promise.reject(failure()) : world.sql.query(...given)
    },
  }
  return { sql, tried: () => calls }
}

test('an outcome outlives a database that is away for long', async () => {
  const id = await openDelivery()
  const held = await lease()
  const { sql } = failingFirst(150, () => Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }))
  expect(
    await newSettler({ sql, keyedSql: sql, retryDelayMs: 1 }).settle(settlement(id, held, { status: 200 })),
  ).toMatchObject({ status: 'delivered' })
})

test('an outcome that the database refuses is given up before long', async () => {
  const settled = settlement(await openDelivery(), await lease())
  const refusal = () => Object.assign(new pg.DatabaseError('no', 2, 'error'), { code: '22021' })
  const { sql, tried } = failingFirst(150, refusal)
  await expect(newSettler({ sql, keyedSql: sql, retryDelayMs: 1 }).settle(settled)).rejects.toThrow('no')
  expect(tried()).toBeLessThan(30)
})

test('an outcome of a delivery that is gone comes to nothing', async () => {
  const settler = newSettler()
  expect(await settler.settle(settlement(newId('dlv'), await lease()))).toBeNull()
})

test('a lease is one holder’s until it lets go or runs out', async () => {
  const held = await lease()
  expect(await takeLease(world.sql, endpointId, 'other')).toBeNull()
  expect(await withTransaction(world.pool, (sql) => letGoIfIdle(sql, held, leaving))).toBe('free')
  const second = await lease(endpointId, 'other')
  expect(second.number).toBe(held.number + 1)
  expect(await withTransaction(world.pool, (sql) => letGoIfIdle(sql, held, leaving))).toBe('lost')
})

test('leases are renewed together, and only by who holds them', async () => {
  const other = (await world.createEndpoint(projectId, 'http://127.0.0.1/')).id
  const [own, others] = [await lease(), await lease(other, 'other')]
  const options = { instanceId: 'me', lockedRows: 'skip' } as const
  expect(await renewLeases(world.sql, [own, { ...others }], options)).toEqual([endpointId])
  expect(await renewLeases(world.sql, [{ ...own, number: own.number - 1 }], options)).toEqual([])
  const waiting = await withTransaction(world.pool, async (sql) => {
    await sql.query(`select from endpoint_states where endpoint_id = $1 for update`, [endpointId])
    expect(await renewLeases(world.sql, [own], options)).toEqual([])
    return { renewed: renewLeases(world.sql, [own], { ...options, lockedRows: 'wait' }) }
  })
  expect(await waiting.renewed).toEqual([endpointId])
})

test('nobody lets go of an endpoint while work for it is being committed', async () => {
  const held = await lease()
  const letting = await withTransaction(world.pool, async (sql) => {
    await sql.query(`select from endpoint_states where endpoint_id = $1 for no key update`, [endpointId])
    const result = withTransaction(world.pool, (other) => letGoIfIdle(other, held, leaving))
    await until(async () => {
      const waiting = await world.sql.query(
        `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
      )
      expect(waiting).toHaveLength(1)
    })
    await sql.query(
      `insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, status, next_attempt_at,
                               created_at, updated_at)
       values ('dlv_x', $1, 'src', 1, 'msg_x', $2, 'pending', clock_timestamp(), now(), now())`,
      [projectId, endpointId],
    )
    return { result }
  })
  expect(await letting.result).toBe('due')
})
