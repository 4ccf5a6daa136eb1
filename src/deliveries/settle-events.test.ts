import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { createDeliveryWorld, type DeliveryWorld } from '../../test/support/delivery-world.ts'
import { resume } from '../endpoints/endpoint-state.ts'
import { type DeliveryId, type EndpointId, newId, type ProjectId, type SourceId } from '../kernel/ids.ts'
import { ensureSystemSource } from '../sources/index.ts'
import type { DeliveryDecision } from './decide-next.ts'
import { createEndpointWatch } from './endpoint-changes.ts'
import { type Lease, takeLease } from './lease.ts'
import { type Settled, type Settlement, settle } from './settle.ts'

let world: DeliveryWorld
let projectId: ProjectId
let sourceId: SourceId
let endpointId: EndpointId
let lease: Lease

beforeAll(async () => {
  world = await createDeliveryWorld()
})

afterAll(() => world.close())

beforeEach(async () => {
  projectId = await world.createProject()
  sourceId = await world.createSource(projectId)
  endpointId = (await world.createEndpoint(projectId, 'http://127.0.0.1/')).id
  const taken = await takeLease(world.sql, endpointId, 'me')
  if (taken === null) throw new Error('the endpoint is held or held back')
  lease = taken
})

afterEach(() => world.reset())

interface Over {
  readonly sourceId?: SourceId
  readonly decision?: DeliveryDecision
  readonly isProbe?: boolean
}

const retry: DeliveryDecision = { kind: 'retry', delayMs: 60_000 }
const failed: DeliveryDecision = { kind: 'failed', isGone: false }
const gone: DeliveryDecision = { kind: 'failed', isGone: true }
const delivered: DeliveryDecision = { kind: 'delivered' }

/** Settles one attempt at a new delivery for each status; 200 is delivered, all else is tried again unless decided. */
async function answers(statuses: readonly number[], over: Over = {}): Promise<Settled[]> {
  const ids = statuses.map(() => newId('dlv'))
  await world.sql.query(
    `insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, status, next_attempt_at,
                             created_at, updated_at)
     select id, $2, $4, 7, 'msg_' || id, $3, 'pending', now(), now(), now() from unnest($1::text[]) as d (id)`,
    [ids, projectId, endpointId, over.sourceId ?? sourceId],
  )
  return await settleAll(ids.map((id, place) => settlementOf(id, statuses[place] ?? 200, over)))
}

function settlementOf(deliveryId: DeliveryId, status: number, over: Over): Settlement {
  const isDelivered = status === 200
  return {
    attemptId: newId('att'),
    deliveryId,
    lease,
    attemptNumber: 1,
    outcome: {
      startedAt: new Date('2026-01-31T12:00:00.000Z'),
      durationMs: 1,
      response: { status, headers: [], body: Buffer.of(), isTruncated: false, announcedBytes: 0 },
      failure: isDelivered ? null : 'STATUS',
      failureDetail: isDelivered ? null : 'An "answer" with \\ in it.',
      retryAfter: null,
    },
    decision: { ...(isDelivered ? delivered : (over.decision ?? retry)), throttleMs: null },
    isProbe: over.isProbe ?? false,
  }
}

async function settleAll(batch: readonly Settlement[]): Promise<Settled[]> {
  const settled = await settle(world.sql, batch, { instanceId: 'me', lockedRows: 'skip' })
  const watch = createEndpointWatch({ sql: world.sql, onEndpointChanged: () => undefined })
  for (const one of batch) {
    const result = settled.find(({ deliveryId }) => deliveryId === one.deliveryId)
    if (result !== undefined) await watch.afterAttempt({ disableAfterMs: null }, one, result)
  }
  return settled
}

/** What the outbox holds. */
async function told(): Promise<{ type: string; subject: string; data: Record<string, unknown> }[]> {
  const rows = await world.sql.query<{ type: string; subject: string; data: string }>(
    `select type, subject, data from system_events where project_id = $1 order by id`,
    [projectId],
  )
  return rows.map((row) => ({ ...row, data: JSON.parse(row.data) }))
}

const typesTold = async () => (await told()).map(({ type }) => type)
const eleven = Array.from({ length: 11 }, () => 500)

test('a delivery that is given up is told of with its last attempt', async () => {
  const [settled] = await answers([500], { decision: failed })
  const deliveryId = settled?.deliveryId
  expect(await told()).toEqual([
    {
      type: 'hookline.delivery.exhausted',
      subject: deliveryId,
      data: {
        deliveryId,
        endpointId,
        sourceId,
        messageId: `msg_${deliveryId}`,
        sequence: 7,
        attemptCount: 1,
        lastAttempt: {
          id: expect.stringMatching(/^att_/),
          number: 1,
          startedAt: '2026-01-31T12:00:00.000Z',
          status: 500,
          failure: 'STATUS',
          failureDetail: 'An "answer" with \\ in it.',
        },
      },
    },
  ])
})

test('what is delivered or tried again is not told of, nor what an outcome that came too late would have decided', async () => {
  await answers([200, 500, 200])
  const [settled] = await answers([500])
  if (settled === undefined) throw new Error('nothing was settled')
  await settleAll([settlementOf(settled.deliveryId, 500, { decision: failed })])
  expect(await told()).toEqual([])
})

test('a breaker is told of once when it opens, and once when it closes', async () => {
  await answers(eleven)
  await answers([500])
  expect(await told()).toEqual([
    {
      type: 'hookline.breaker.opened',
      subject: endpointId,
      data: {
        endpointId,
        consecutiveFailureCount: 11,
        failingSince: '2026-01-31T12:00:00.000Z',
        nextProbeAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      },
    },
  ])
  await answers([200], { isProbe: true })
  await answers([200])
  const [, closed, ...others] = await told()
  expect(closed).toEqual({
    type: 'hookline.breaker.closed',
    subject: endpointId,
    data: { endpointId, failingSince: '2026-01-31T12:00:00.000Z' },
  })
  expect(others).toEqual([])
})

test('an endpoint that is disabled is told of once, with the reason', async () => {
  const [settled] = await answers([410, 410], { decision: gone })
  expect(await told()).toContainEqual({
    type: 'hookline.endpoint.disabled',
    subject: endpointId,
    data: {
      endpointId,
      reason: 'It answered 410: it is gone for good.',
      consecutiveFailureCount: 2,
      deliveryId: settled?.deliveryId,
    },
  })
  expect((await typesTold()).filter((type) => type === 'hookline.endpoint.disabled')).toHaveLength(1)
})

test('deliveries of system events cause none, whatever befalls them and their endpoint', async () => {
  const system = { sourceId: await ensureSystemSource(world.sql, projectId) }
  await answers(eleven, { ...system, decision: failed })
  await answers([200], { ...system, isProbe: true })
  await answers([410], { ...system, decision: gone })
  expect(await told()).toEqual([])
  // The same, for another source's.
  await resume(world.sql, endpointId)
  await world.sql.query(`update endpoint_states set active_since = null`)
  await answers(eleven, { decision: failed })
  await answers([200], { isProbe: true })
  await answers([410], { decision: gone })
  expect(new Set(await typesTold())).toEqual(
    new Set([
      'hookline.delivery.exhausted',
      'hookline.breaker.opened',
      'hookline.breaker.closed',
      'hookline.endpoint.disabled',
    ]),
  )
})

test('an endpoint that fails for all sources is told of, though a system event was among them', async () => {
  const system = { sourceId: await ensureSystemSource(world.sql, projectId) }
  await answers(eleven.slice(0, 9), system)
  await answers([500])
  expect(await typesTold()).toEqual(['hookline.breaker.opened'])
})
