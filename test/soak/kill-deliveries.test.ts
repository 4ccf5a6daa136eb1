import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { createPool } from '../../src/db/pool.ts'
import { type Sql, sqlOfPool } from '../../src/db/sql.ts'
import { findFreePort } from '../../src/http/index.ts'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { countsOf, expectExact } from '../support/counted.ts'
import { createTestDatabase } from '../support/database.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { createEndpoint, createSource, graphql } from '../support/graphql-client.ts'
import { type Chance, chanceOf } from '../support/random.ts'
import { type ReceivedRequest, startReceiver } from '../support/receiver.ts'
import { until } from '../support/until.ts'
import { seed, timeoutMs, rounds as usualRounds } from './settings.ts'

/*
 * Workers on one PostgreSQL, without Redis, are killed at random while they deliver to endpoints of every kind, and while
 * replays and retries of many run. In the end every delivery has been accepted by its receiver or is exhausted, all of it
 * was counted once, and each that was given up was told of once.
 */

/** One shows little. */
const rounds = Math.max(3, usualRounds)
const messagesPerRound = 50
/** What is left after the last kill: the leases of the dead, then what an ordered endpoint gets one by one. */
const endMs = 60_000 + rounds * 5_000

test(
  'whatever workers are killed, every delivery ends delivered or exhausted, in order where it matters, under one id',
  async () => {
    console.log(`kill-deliveries: SOAK_SEED=${seed}`)
    const chance = chanceOf(seed)
    const world = await startWorld()
    const receiver = await startReceivers(chance)
    const endpoints = await createEndpoints(world, receiver.url)
    const acknowledged: string[] = []
    for (let round = 1; round <= rounds; round++) {
      const posting = world.post(messagesPerRound)
      await beginOperations(world, endpoints, chance)
      await sleep(chance.below(300))
      await Promise.all(chance.oneOf([[0], [1], [0, 1]]).map((place) => world.workers[place]?.killAndRestart()))
      acknowledged.push(...(await posting))
    }
    receiver.comeBack()
    await world.ask('ResumeEndpointInput', 'resumeEndpoint', { id: endpoints.dead })
    await until(
      () => openWork(world.sql),
      { deliveries: 0, operations: 0, events: 0 },
      { timeoutMs: endMs, everyMs: 200 },
    )
    await expectAllEnded(world.sql, endpoints, new Set(acknowledged))
    await expectAllTold(world.sql, receiver)
    await expectAllCounted(world.sql)
    expect(receiver.overlaps()).toBe(0)
    expectInOrder(await world.sql.query(orderText, [endpoints.ordered]), receiver.accepted)
  },
  timeoutMs + endMs,
)

type World = Awaited<ReturnType<typeof startWorld>>
type Endpoints = Awaited<ReturnType<typeof createEndpoints>>
type Receivers = Awaited<ReturnType<typeof startReceivers>>

async function startWorld() {
  const database = await createTestDatabase()
  const pool = createPool({ ...database, max: 2, applicationName: 'test', onError: () => undefined })
  onTestFinished(async () => {
    await pool.end()
    await database.drop()
  })
  const shared = {
    DATABASE_URL: database.databaseUrl,
    MASTER_KEYS: generateMasterKey(),
    ALLOWED_NETWORKS: '127.0.0.0/8',
  }
  const api = await startGatewayProcess({ ...shared, ROLE: 'api' })
  onTestFinished(async () => void (await api.stop('SIGKILL')))
  const token = api.adminToken()
  const { id: sourceId, ingressUrl } = await createSource(api.baseUrl, token, { name: 'orders' })
  const workers = await Promise.all([startWorker(shared), startWorker(shared)])
  return {
    sql: sqlOfPool(pool),
    workers,
    sourceId,
    baseUrl: api.baseUrl,
    token,
    /** @returns the ids of the messages; each says whether its number is odd. */
    async post(count: number): Promise<string[]> {
      const ids: string[] = []
      for (let number = 0; number < count; number += 1) {
        const init = { method: 'POST', body: JSON.stringify({ parity: number % 2 }) }
        const response = await fetch(api.baseUrl + new URL(ingressUrl).pathname, init)
        ids.push(((await response.json()) as { id: string }).id)
      }
      return ids
    },
    /** Asks for a change, which may be refused: ten operations run at a time. */
    async ask(type: string, field: string, input: object): Promise<void> {
      const query = `mutation ($input: ${type}!) { ${field}(input: $input) { ... on UserError { code } } }`
      const answer = await graphql<Record<string, { code?: string }>>(api.baseUrl, token, query, { input })
      expect([undefined, 'LIMIT_REACHED']).toContain(answer[field]?.code)
    },
  }
}

/** A process that can be killed, and then starts again. */
async function startWorker(shared: Record<string, string>) {
  const environment = { ...shared, ROLE: 'worker', PORT: String(await findFreePort('127.0.0.1')) }
  let worker = await startGatewayProcess(environment)
  onTestFinished(async () => void (await worker.stop('SIGKILL')))
  return {
    async killAndRestart() {
      await worker.stop('SIGKILL')
      worker = await startGatewayProcess(environment)
    },
  }
}

const isOdd = ({ body }: ReceivedRequest) => JSON.parse(body.toString()).parity === 1

/** One server for all endpoints: each path answers in its own way. */
async function startReceivers(chance: Chance) {
  let [isDead, open, overlaps] = [true, 0, 0]
  const answers: Record<string, (request: ReceivedRequest) => number | Promise<number>> = {
    async ordered() {
      open += 1
      if (open > 1) overlaps += 1
      await sleep(10)
      open -= 1
      return chance.below(20) === 0 ? 500 : 204
    },
    limited: () => (chance.below(100) === 0 ? 429 : 204),
    fussy: (request) => (isOdd(request) ? 422 : 204),
    dead: () => (isDead ? 500 : 204),
  }
  const receiver = await startReceiver((request) => answers[request.path.split('/').at(-1) ?? '']?.(request) ?? 404)
  onTestFinished(() => receiver.close())
  return {
    ...receiver,
    /** Requests that an ordered endpoint got while another was open. */
    overlaps: () => overlaps,
    comeBack() {
      isDead = false
    },
  }
}

async function createEndpoints({ baseUrl, token }: World, url: string) {
  const create = async (name: string, retries: number, more: object = {}) => {
    const retryPolicy = { backoff: { delaysMs: Array(retries).fill(100) } }
    return (await createEndpoint(baseUrl, token, { url: `${url}/${name}`, retryPolicy, ...more })).id
  }
  return {
    ordered: await create('ordered', 30, { isOrdered: true }),
    limited: await create('limited', 30, { rateLimit: { count: 200, windowMs: 1_000 }, maxConcurrency: 3 }),
    /** Refuses every other message for good. */
    fussy: await create('fussy', 1),
    /** Opens its breaker. */
    dead: await create('dead', 50),
  }
}

async function beginOperations({ ask, sourceId }: World, endpoints: Endpoints, chance: Chance): Promise<void> {
  const fromSequence = 1 + chance.below(50)
  const range = { sourceId, fromSequence, toSequence: fromSequence + chance.below(50) }
  const endpointId = chance.oneOf([endpoints.ordered, endpoints.limited])
  await ask('ReplayMessagesInput', 'replayMessages', { endpointId, ...range })
  await ask('RetryDeliveriesInput', 'retryDeliveries', {
    filter: { endpointId: endpoints.fussy, statuses: ['FAILED'] },
  })
}

interface OpenWork {
  readonly deliveries: number
  readonly operations: number
  /** That nobody was told of yet. */
  readonly events: number
}

async function openWork(sql: Sql): Promise<OpenWork | undefined> {
  const [row] = await sql.query<OpenWork>(
    `select (select count(*)::int
               from source_heads as h
               join fan_out_marks as m on m.source_id = h.source_id and m.fanned_out_to < h.last_sequence)
            + (select count(*)::int from deliveries where next_attempt_at is not null) as deliveries,
            (select count(*)::int from operations where finished_at is null) as operations,
            (select count(*)::int from system_events) as events`,
  )
  return row
}

async function expectAllEnded(sql: Sql, endpoints: Endpoints, acknowledged: ReadonlySet<string>): Promise<void> {
  const received = await sql.query<{ id: string; endpoints: string[] }>(
    `select message_id as id, array_agg(endpoint_id order by endpoint_id) as endpoints
       from deliveries where operation_id is null group by message_id`,
  )
  const all = Object.values(endpoints).sort()
  expect(received.filter((message) => message.endpoints.join() !== all.join())).toEqual([])
  expect([...acknowledged].filter((id) => !new Set(received.map((message) => message.id)).has(id))).toEqual([])
  const ends = `select status, array_agg(distinct convert_from(m.body, 'UTF8')::json ->> 'parity') as parities,
                       min(attempt_count) > 1 as "isExhausted"
                  from deliveries as d join messages as m on m.id = d.message_id
                 where (endpoint_id = $1) group by status order by status`
  expect(await sql.query(ends, [endpoints.fussy])).toEqual([
    { status: 'delivered', parities: ['0'], isExhausted: false },
    { status: 'failed', parities: ['1'], isExhausted: true },
  ])
  const others = `select distinct status from deliveries where endpoint_id <> $1`
  expect(await sql.query(others, [endpoints.fussy])).toEqual([{ status: 'delivered' }])
  const operations = `select kind, status from operations group by kind, status order by kind`
  expect(await sql.query(operations)).toEqual([
    { kind: 'replay-messages', status: 'completed' },
    { kind: 'retry-deliveries', status: 'completed' },
  ])
  const replayed = `select o.id from operations as o
                     where kind = 'replay-messages'
                       and o.done_count - o.skipped_count
                           <> (select count(*) from deliveries as d where d.operation_id = o.id)`
  expect(await sql.query(replayed)).toEqual([])
}

const deliveryOf = ({ headers }: ReceivedRequest) => String(headers['hookline-delivery-id'])

/** What is delivered was accepted, and each delivery told one message under its id on every attempt. */
async function expectAllTold(sql: Sql, { requests, accepted }: Receivers): Promise<void> {
  const deliveries = await sql.query<{ id: string; messageId: string; status: string }>(
    `select id, message_id as "messageId", status from deliveries`,
  )
  const told = new Set(accepted.map(deliveryOf))
  expect(deliveries.filter(({ id, status }) => (status === 'delivered') !== told.has(id))).toEqual([])
  const messages = new Map(deliveries.map(({ id, messageId }) => [id, messageId]))
  expect(requests.filter((one) => messages.get(deliveryOf(one)) !== one.headers['webhook-id'])).toEqual([])
}

/** What was tried afresh may have failed again, and is then counted and told of again: for each time by another attempt. */
async function expectAllCounted(sql: Sql): Promise<void> {
  await expectExact(sql)
  const [all] = await sql.query<{ projectId: string; messages: number; told: number; attempts: number }>(
    `select m.project_id as "projectId", count(*)::int as messages,
            count(*) filter (where m.event_type = 'hookline.delivery.exhausted')::int as told,
            count(distinct a.id)::int as attempts
       from messages as m
       left join lateral (
         select convert_from(m.body, 'UTF8')::json -> 'lastAttempt' ->> 'id' as id
          where m.event_type = 'hookline.delivery.exhausted') as a on true
      group by m.project_id`,
  )
  if (all === undefined) throw new Error('there are no messages')
  const { received, failed } = await countsOf(sql, all.projectId)
  expect({ received, failed, attempts: failed }).toEqual({
    received: all.messages,
    failed: all.told,
    attempts: all.attempts,
  })
  expect(failed).toBeGreaterThan(0)
}

// Replays come in between.
const orderText = `
  select d.id from deliveries as d where d.endpoint_id = $1 and d.operation_id is null order by d.sequence`

/** What died before it was settled is told again: the first time counts. */
function expectInOrder(expected: readonly { id: string }[], accepted: readonly ReceivedRequest[]): void {
  const ids = expected.map(({ id }) => id)
  const isOrdered = new Set(ids)
  expect([...new Set(accepted.map(deliveryOf))].filter((id) => isOrdered.has(id))).toEqual(ids)
}
