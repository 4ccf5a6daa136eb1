import { Registry } from 'prom-client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLog } from '../../src/kernel/log.ts'
import { createGauges } from '../../src/stats/index.ts'
import { createDeliveryWorld, type DeliveryWorld, until } from '../support/delivery-world.ts'

let world: DeliveryWorld
beforeAll(async () => {
  world = await createDeliveryWorld()
})
afterAll(() => world.close())

const log = createLog({ level: 'silent', isPretty: false })

async function valuesOf(metrics: Registry): Promise<Record<string, number>> {
  const found = await metrics.getMetricsAsJSON()
  return Object.fromEntries(found.map(({ name, values }) => [name, values[0]?.value ?? Number.NaN]))
}

test('metrics tell how endpoints, deliveries and operations stand', async () => {
  const metrics = new Registry()
  createGauges({ sql: world.sql, metrics, log, keptMs: 0 })
  expect(await valuesOf(metrics)).toMatchObject({ webhook_queue_size: 0, hookline_oldest_due_delivery_seconds: 0 })
  const projectId = await world.createProject()
  const endpointIds: string[] = []
  for (let i = 0; i < 5; i += 1) endpointIds.push((await world.createEndpoint(projectId, 'http://127.0.0.1/')).id)
  const [paused, disabled, broken, waiting] = endpointIds
  await world.sql.query(
    `update endpoint_states
        set status = case endpoint_id when $1 then 'paused' when $2 then 'disabled' else 'active' end,
            breaker = case endpoint_id when $3 then 'open' else 'closed' end`,
    [paused, disabled, broken],
  )
  // What has to wait for its endpoint is in the queue, but not late.
  await world.sql.query(
    `insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, status, next_attempt_at,
                             created_at, updated_at)
     select 'dlv_' || place, $1, 's', 1, 'm' || place, endpoint_id, 'pending', now() - age * interval '1 minute', now(), now()
       from unnest($2::text[], $3::int[]) with ordinality as d (endpoint_id, age, place)`,
    [projectId, [paused, disabled, broken, waiting, waiting], [50, 40, 30, 2, 1]],
  )
  const standing = await valuesOf(metrics)
  expect(standing).toMatchObject({
    webhook_queue_size: 5,
    webhook_endpoints_active: 3,
    hookline_endpoints_paused: 1,
    hookline_endpoints_disabled: 1,
    hookline_breakers_open: 1,
    hookline_operations_running: 0,
  })
  expect(standing.hookline_oldest_due_delivery_seconds).toBeGreaterThanOrEqual(120)
  expect(standing.hookline_oldest_due_delivery_seconds).toBeLessThan(180)
})

test('asked often, the database is asked now and then; without it the others are told all the same', async () => {
  const metrics = new Registry()
  let asked = 0
  let isAway = false
  const query: typeof world.sql.query = (text, values) => {
    asked += 1
    return isAway ? Promise.reject(new Error('away')) : world.sql.query(text, values)
  }
  createGauges({ sql: { query }, metrics, log, keptMs: 60_000 })
  await Promise.all([metrics.metrics(), metrics.metrics()])
  await metrics.metrics()
  expect(asked).toBe(1)
  const others = new Registry()
  isAway = true
  createGauges({ sql: { query }, metrics: others, log })
  expect(await others.metrics()).toContain('webhook_queue_size Nan')
})

test('a database that hangs holds up no metrics, and is not asked again until it has answered', async () => {
  const metrics = new Registry()
  const { promise: isBack, resolve: comeBack } = Promise.withResolvers<void>()
  let asked = 0
  const query: typeof world.sql.query = async (text, values) => {
    asked += 1
    await isBack
    return await world.sql.query(text, values)
  }
  createGauges({ sql: { query }, metrics, log, keptMs: 0, patienceMs: 10 })
  const told = async () => (await valuesOf(metrics)).webhook_queue_size
  expect(await told()).toBeNaN()
  expect(await told()).toBeNaN()
  expect(asked).toBe(1)
  comeBack()
  await until(async () => expect(await told()).not.toBeNaN())
})

test('what metrics cost does not grow with the deliveries that are over, though much waited just now', async () => {
  const projectId = await world.createProject()
  const { id } = await world.createEndpoint(projectId, 'http://127.0.0.1/')
  await world.sql.query(
    `insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, status, next_attempt_at,
                             created_at, updated_at)
     select 'dlv_o' || n, $1, 's', n, 'o' || n, $2, 'pending', now(), now(), now() from generate_series(1, 20000) as n`,
    [projectId, id],
  )
  await world.sql.query(`analyze deliveries`)
  await world.sql.query(`update deliveries set status = 'delivered', next_attempt_at = null`)
  const plans: string[] = []
  const query: typeof world.sql.query = async (text, values) => {
    plans.push(JSON.stringify(await world.sql.query(`explain (format json) ${text}`, values)))
    return await world.sql.query(text, values)
  }
  const metrics = new Registry()
  createGauges({ sql: { query }, metrics, log })
  expect(await valuesOf(metrics)).toMatchObject({ webhook_queue_size: 0 })
  expect(plans).toHaveLength(1)
  expect(plans[0]).toContain('deliveries_due_index')
  expect(plans[0]).not.toMatch(/"Node Type":\s*"Seq Scan"[^{}]*"Relation Name":\s*"deliveries"/)
})
