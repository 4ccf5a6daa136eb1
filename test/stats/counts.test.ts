import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { takeLease } from '../../src/deliveries/lease.ts'
import { type Settled, type Settlement, settle } from '../../src/deliveries/settle.ts'
import { type DeliveryId, type EndpointId, newId, type ProjectId, type SourceId } from '../../src/kernel/ids.ts'
import { dropMessages } from '../../src/retention/drop-messages.ts'
import { counters, foldFreshCounts, keptHours, removeOldRollups, type Span } from '../../src/rollups/index.ts'
import { beginOf, intervalsOf, spanMs } from '../../src/stats/time-span.ts'
import * as counted from '../support/counted.ts'
import { createDeliveryWorld, type DeliveryWorld, until } from '../support/delivery-world.ts'
import { chanceOf } from '../support/random.ts'

let world: DeliveryWorld
beforeAll(async () => {
  world = await createDeliveryWorld()
})
afterAll(() => world.close())
afterEach(() => world.reset())

const countsOf = (nodeId: string) => counted.countsOf(world.sql, nodeId)

/** As if it were two minutes later. */
async function foldAll(): Promise<void> {
  await world.sql.query(`update fresh_counts set minute = minute - interval '2 minutes'`)
  while ((await foldFreshCounts(world.sql, 7)) > 0);
}

/** All that the tables hold, what failed included: nothing was tried afresh. */
async function expectExact(projectId: ProjectId): Promise<void> {
  await counted.expectExact(world.sql)
  expect((await countsOf(projectId)).failed).toBe((await world.statuses()).failed ?? 0)
}

test('what is counted is what the tables say, though workers stop, connections break and counts are folded meanwhile', async () => {
  const projectId = await world.createProject()
  const sourceIds = [await world.createSource(projectId), await world.createSource(projectId)]
  const chance = chanceOf(11)
  const flaky = await world.startReceiver((response) => {
    response.statusCode = chance.oneOf([200, 200, 500, 404])
    response.end()
  })
  const told = { retryDelaysMs: [10, 20] }
  await world.createEndpoint(projectId, flaky.url, null, told)
  await world.createEndpoint(projectId, flaky.url, sourceIds.slice(0, 1), told)
  await world.createEndpoint(projectId, (await world.startReceiver()).url)
  let first = await world.startWorker()
  await world.startWorker()
  let published = 0
  let broken = 0
  for (let round = 0; round < 6; round += 1) {
    for (const sourceId of sourceIds) await world.publish(sourceId, 15)
    published += 30
    await foldFreshCounts(world.sql, 100)
    if (round === 1 || round === 4) {
      const brokenBefore = broken
      // At a given moment none may be at work.
      await until(async () => {
        broken += (await world.sql.query(breakText)).length
        expect(broken).toBeGreaterThan(brokenBefore)
      })
    }
    if (round === 3) {
      await first.stop()
      first = await world.startWorker()
    }
  }
  await until(async () => {
    const { pending = 0, retrying = 0 } = await world.statuses()
    expect({ open: pending + retrying, created: (await world.deliveries()).length }).toEqual({ open: 0, created: 450 })
  })
  await expectExact(projectId)
  expect(await countsOf(projectId)).toMatchObject({ received: published })
  expect(await countsOf(sourceIds[0] ?? '')).toMatchObject({ received: published / 2 })
  // Each attempt that decided something either ended its delivery or is repeated.
  const [decided] = await world.sql.query<{ sum: number }>(`select sum(attempt_count)::int as sum from deliveries`)
  const { delivered, failed, retried } = await countsOf(projectId)
  expect(delivered + failed + retried).toBe(decided?.sum)
  await foldAll()
  expect(await world.sql.query(`select from fresh_counts`)).toEqual([])
  await expectExact(projectId)
})

/** Breaks every connection that is at work at this moment, but for this one: a row for each. */
const breakText = `
  select pg_terminate_backend(a.pid)
    from pg_stat_activity as a
   where a.datname = current_database()
     and a.pid <> pg_backend_pid()
     and a.state <> 'idle'`

test('however outcomes come, late, twice or out of order, each is counted for what it decided', async () => {
  const projectId = await world.createProject()
  const { id: endpointId } = await world.createEndpoint(projectId, 'http://127.0.0.1/')
  const sourceId = await world.createSource(projectId)
  await world.publish(sourceId, 12)
  const deliveryIds = await openDeliveries(sourceId, endpointId)
  const chance = chanceOf(23)
  const lease = await takeLease(world.sql, endpointId, 'me')
  if (lease === null) throw new Error('the lease is held')
  const told: Settled[] = []
  const batches: Settlement[][] = []
  for (let step = 0; step < 40; step += 1) {
    const batch = Array.from({ length: 1 + chance.below(6) }, (): Settlement => {
      const status = chance.oneOf([200, 500, 500, 500])
      const number = chance.below(10) === 0 ? lease.number - 1 : lease.number
      return {
        attemptId: newId('att'),
        deliveryId: deliveryIds[chance.below(deliveryIds.length)] ?? newId('dlv'),
        lease: { endpointId, number },
        attemptNumber: 1 + chance.below(4),
        outcome: {
          startedAt: new Date(),
          durationMs: chance.below(2_000),
          response: { status, headers: [], body: Buffer.alloc(0), isTruncated: false, announcedBytes: 0 },
          failure: status === 200 ? null : 'STATUS',
          failureDetail: null,
          retryAfter: null,
        },
        decision: {
          throttleMs: null,
          ...(status === 200 ? { kind: 'delivered' } : chance.oneOf([retry, retry, { kind: 'failed', isGone: false }])),
        },
        isProbe: false,
      }
    })
    batches.push(distinct(batch))
    // The answer may have got lost: then the same is settled again.
    const again = chance.below(4) === 0 ? (batches[chance.below(batches.length)] ?? []) : []
    for (const each of [distinct(batch), again]) {
      if (each.length > 0) told.push(...(await settle(world.sql, each, { instanceId: 'me', lockedRows: 'wait' })))
    }
    if (step % 10 === 9) await reopenSome(deliveryIds)
  }
  const became = (status: string) => told.filter((one) => one.status === status).length
  const { attempts, slots, duration_ms } = await counted.tablesOf(world.sql, 'endpoint_id', endpointId)
  const expected = {
    delivered: became('delivered'),
    failed: became('failed'),
    retried: became('retrying'),
    attempts,
    slots,
    duration_ms,
  }
  expect(expected.delivered).toBe((await world.statuses()).delivered)
  expect(expected.failed).toBeGreaterThan(0)
  for (const nodeId of [endpointId, sourceId, projectId]) expect(await countsOf(nodeId)).toMatchObject(expected)
})

const retry = { kind: 'retry', delayMs: 60_000 } as const

/** A batch has one outcome of a delivery at most. */
function distinct(batch: readonly Settlement[]): Settlement[] {
  return [...new Map(batch.map((settlement) => [settlement.deliveryId, settlement])).values()]
}

async function openDeliveries(sourceId: SourceId, endpointId: EndpointId): Promise<DeliveryId[]> {
  const rows = await world.sql.query<{ id: DeliveryId }>(
    `insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, status, next_attempt_at,
                             created_at, updated_at)
     select 'dlv_' || m.source_id || m.sequence, m.project_id, m.source_id, m.sequence, m.id, $2, 'pending', now(), now(), now()
       from messages as m
      where m.source_id = $1
     returning id`,
    [sourceId, endpointId],
  )
  return rows.map(({ id }) => id)
}

async function reopenSome(ids: readonly DeliveryId[]): Promise<void> {
  await world.sql.query(
    `update deliveries set status = 'retrying', next_attempt_at = now() where id = any($1) and status = 'failed'`,
    [ids],
  )
}

test('a delivery that expires with its message counts as failed, one that is called off does not', async () => {
  const projectId = await world.createProject()
  const { id: endpointId } = await world.createEndpoint(projectId, 'http://127.0.0.1/')
  for (const [status, failed] of [
    ['expired', 3],
    ['canceled', 0],
  ] as const) {
    const sourceId = await world.createSource(projectId)
    await world.publish(sourceId, 3)
    await openDeliveries(sourceId, endpointId)
    await dropMessages(world.sql, { sourceId, after: 0, below: null, status })
    expect(await countsOf(sourceId)).toMatchObject({ failed, attempts: 0 })
  }
  expect(await countsOf(endpointId)).toMatchObject({ failed: 3 })
})

test('events of registered types count for their type, all others for none', async () => {
  const projectId = await world.createProject()
  const sourceId = await world.createSource(projectId)
  await world.createEndpoint(projectId, (await world.startReceiver()).url)
  await world.sql.query(
    `insert into event_types (id, project_id, name, on_violation, is_deprecated, created_at)
     values ('typ_a', $1, 'order.created', 'FLAG', false, now()), ('typ_b', $1, 'webhook', 'FLAG', false, now())`,
    [projectId],
  )
  await world.publish(sourceId, 6)
  await world.sql.query(
    `update messages set event_type = case when sequence <= 3 then 'order.created' when sequence <= 5 then 'x' end`,
  )
  const worker = await world.startWorker()
  await until(async () => expect(await world.statuses()).toEqual({ delivered: 6 }))
  expect(await countsOf('typ_a')).toMatchObject({ received: 3, created: 3, delivered: 3, attempts: 0 })
  expect(await countsOf('typ_b')).toMatchObject({ received: 1, created: 1, delivered: 1 })
  const events = await worker.metrics.getSingleMetricAsString('webhook_events_total')
  for (const [type, count] of Object.entries({ 'order.created': 3, webhook: 1, other: 2 })) {
    expect(events).toContain(`webhook_events_total{event_type="${type}",status="received"} ${count}`)
    expect(events).toContain(`webhook_events_total{event_type="${type}",status="delivered"} ${count}`)
  }
  await world.sql.query(`delete from event_types`)
})

test('what is folded by several at once, and late, is neither lost nor doubled', async () => {
  await world.sql.query(
    `insert into fresh_counts (node_id, minute, shard, ${counters.join(', ')}, histogram)
     select 'n' || node, date_trunc('minute', now() - interval '5 days') + minute * interval '7 minutes', shard,
            ${counters.map((_, place) => 1 + place).join(', ')}, case when shard = 1 then '{}' else '{1,0,2}' end::bigint[]
       from generate_series(1, 3) as node, generate_series(1, 300) as minute, generate_series(1, 2) as shard`,
  )
  const before = await countsOf('n2')
  const fold = async () => {
    while ((await foldFreshCounts(world.sql, 50)) > 0);
  }
  await Promise.all([fold(), fold(), fold()])
  await fold()
  expect(await countsOf('n2')).toEqual(before)
  expect(before).toMatchObject({ received: 600, duration_ms: 4_800, slots: 900 })
  await world.sql.query(
    `insert into fresh_counts (node_id, minute, shard, ${counters.join(', ')}, histogram)
     select node_id, starts_at, 9, ${counters.map(() => 1).join(', ')}, '{0,0,0,4}' from rollups where span = 'minute'`,
  )
  await fold()
  const spans = await world.sql.query<{ span: string; received: number; slots: number; rows: number }>(
    `select span, sum(received)::int as received, sum((select sum(n) from unnest(histogram) as n))::int as slots,
            count(*)::int as rows
       from rollups where node_id = 'n2' group by span order by span`,
  )
  expect(spans.map(({ rows, ...sums }) => ({ ...sums, isShorter: rows < 300 }))).toEqual([
    { span: 'day', received: 900, slots: 2_100, isShorter: true },
    { span: 'hour', received: 900, slots: 2_100, isShorter: true },
    { span: 'minute', received: 900, slots: 2_100, isShorter: false },
  ])
})

test('what may be asked about is still there; what may not is removed', async () => {
  const nowMs = Date.now()
  const spans = ['minute', 'hour', 'day'] as const
  const isAskedAbout = (span: Span, fromMs: number) =>
    !('problem' in intervalsOf({ fromMs, toMs: fromMs + 1 }, span, nowMs))
  for (const span of spans) {
    const latestMs = beginOf(span, nowMs - keptHours[span] * spanMs.hour)
    const begins = Array.from({ length: 6 }, (_, place) => latestMs - place * spanMs[span])
    await world.sql.query(
      `insert into rollups (node_id, span, starts_at, ${counters.join(', ')}, histogram)
       select 'kept', $1, starts_at, ${counters.map(() => 1).join(', ')}, '{}' from unnest($2::timestamptz[]) as starts_at`,
      [span, begins.map((beginMs) => new Date(beginMs))],
    )
    await removeOldRollups(world.sql, 100)
    const rows = await world.sql.query<{ at: Date }>(`select starts_at as at from rollups where span = $1`, [span])
    const kept = new Set(rows.map(({ at }) => at.getTime()))
    expect(begins.filter((beginMs) => isAskedAbout(span, beginMs) && !kept.has(beginMs))).toEqual([])
    expect(kept.size, span).toBeLessThan(begins.length)
  }
})
