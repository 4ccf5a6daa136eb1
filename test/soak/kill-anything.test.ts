import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { createPool } from '../../src/db/pool.ts'
import { type Sql, sqlOfPool } from '../../src/db/sql.ts'
import { findFreePort } from '../../src/http/index.ts'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { createTestDatabase } from '../support/database.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { type CreatedSource, createSource } from '../support/graphql-client.ts'
import { differences, type LogEntry } from '../support/history.ts'
import { type Load, startLoad } from '../support/load.ts'
import { type Chance, chanceOf } from '../support/random.ts'
import { redisMissing, startTestRedis, type TestRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { seed, timeoutMs, rounds as usualRounds } from './settings.ts'
import { overGraphqlStream, overListener, overPlainStream, overSocket, type Subscriber } from './subscribers.ts'

/*
 * Two processes on one PostgreSQL and one Redis. Senders post and subscribers of every kind read, each of them at either
 * process, while chance kills processes, Redis and the connections of subscribers. A trigger keeps what was ever in the
 * log, for retention drops from one of the sources: in the end every record must be equal to it.
 */

/** One shows little. */
const rounds = Math.max(3, usualRounds)
const missing = await redisMissing()

test.skipIf(missing !== null)(
  `whatever is killed, every subscriber’s record is the log: nothing lost, twice or out of order${missing === null ? '' : ` (${missing})`}`,
  async () => {
    console.log(`kill-anything: SOAK_SEED=${seed}`)
    const chance = chanceOf(seed)
    const world = await startWorld()
    const sources = await world.sources()
    const log = await keepLog(world.sql)
    const subscribers = await startSubscribers(world, sources, chance)
    const load = startLoad(() => addressOf(chance.oneOf(sources), world.anyUrl(chance)), 4)
    onTestFinished(() => load.stop())
    for (let round = 1; round <= rounds; round++) {
      const plan = planOf(chance)
      await Promise.all([harm(world, plan), cut(subscribers, plan)])
      await untilAcknowledgedMore(load, 50).catch((error: unknown) => {
        throw new Error(`round ${round} of seed ${seed}: ${JSON.stringify(plan)}`, { cause: error })
      })
    }
    await load.stop()
    await expectAllHeard(await log(), subscribers, load)
  },
  timeoutMs,
)

interface Watched {
  readonly subscriber: Subscriber
  /** What of the log it should hear. */
  readonly isFor: (entry: LogEntry) => boolean
}

const odd = { data: { pointer: '/parity', value: 1 } }

async function startSubscribers(
  world: World,
  [orders, stock, brief]: Sources,
  chance: Chance,
): Promise<readonly Watched[]> {
  const of = (...sources: CreatedSource[]) => {
    const sourceIds = sources.map(({ id }) => id)
    return { sourceIds, isFor: ({ sourceId }: LogEntry) => sourceIds.includes(sourceId) }
  }
  const options = (name: string, sourceIds: readonly string[], filter?: object) => ({
    ...{ name, sourceIds, token: world.token, baseUrl: () => world.anyUrl(chance) },
    ...(filter === undefined ? {} : { filter }),
  })
  const both = of(orders, stock)
  const all = of(orders, stock, brief)
  const isOdd = (entry: LogEntry) => both.isFor(entry) && JSON.parse(entry.content).parity === 1
  const watched = [
    { ...both, subscriber: overSocket(options('graphql-ws', both.sourceIds)) },
    { isFor: isOdd, subscriber: overSocket(options('graphql-ws, filtered', both.sourceIds, odd)) },
    { ...all, subscriber: overSocket(options('graphql-ws, with what is dropped', all.sourceIds)) },
    { ...both, subscriber: overGraphqlStream(options('graphql-sse', both.sourceIds)) },
    { ...both, subscriber: overPlainStream(options('GET /stream', both.sourceIds)) },
    { isFor: isOdd, subscriber: overPlainStream(options('GET /stream, filtered', both.sourceIds, odd)) },
    { ...of(orders), subscriber: await overListener(options('listener', [orders.id])) },
  ]
  for (const { subscriber } of watched) onTestFinished(() => subscriber.close())
  // From here on each begins where its first connection began, so that the first message of all is its first.
  await until(() => watched.filter(({ subscriber }) => !subscriber.hasBegun()).length, 0)
  return watched
}

interface Plan {
  readonly killAfterMs: number
  readonly places: readonly number[]
  readonly redisAfterMs: number
  readonly redisAwayMs: number
  /** For each subscriber in turn. */
  readonly cutAfterMs: readonly number[]
}

function planOf(chance: Chance): Plan {
  return {
    killAfterMs: chance.below(300),
    places: chance.oneOf([[0], [1], [0], [1], [0, 1]]),
    redisAfterMs: chance.below(300),
    redisAwayMs: chance.below(600),
    cutAfterMs: Array.from({ length: 7 }, () => chance.below(1_000)),
  }
}

async function harm({ processes, redis }: World, plan: Plan): Promise<void> {
  const killProcess = async (place: number) => {
    await sleep(plan.killAfterMs)
    await processes[place]?.killAndRestart()
  }
  const killRedis = async () => {
    await sleep(plan.redisAfterMs)
    await redis.kill()
    await sleep(plan.redisAwayMs)
    await redis.start()
  }
  await Promise.all([...plan.places.map(killProcess), killRedis()])
}

async function cut(watched: readonly Watched[], plan: Plan): Promise<void> {
  const cutOne = async ({ subscriber }: Watched, place: number) => {
    await sleep(plan.cutAfterMs[place] ?? 0)
    subscriber.cut()
  }
  await Promise.all(watched.map(cutOne))
}

async function untilAcknowledgedMore(load: Load, count: number): Promise<void> {
  const goal = load.acknowledged.size + count
  await until(() => load.acknowledged.size >= goal, true)
}

async function expectAllHeard(kept: KeptLog, watched: readonly Watched[], load: Load): Promise<void> {
  const contents = new Map(kept.entries.map(({ id, content }) => [id, content]))
  expect([...load.acknowledged].filter(([id, content]) => contents.get(id) !== content)).toEqual([])
  const verdicts = () =>
    watched.map(({ subscriber, isFor }) => ({
      name: subscriber.name,
      refusals: subscriber.refusals,
      differences: differences(subscriber.heard, kept.entries.filter(isFor), kept.firstSequence),
    }))
  const right = watched.map(({ subscriber: { name } }) => ({ name, refusals: [], differences: [] }))
  // What then is still missing is judged, not thrown: the verdict says more than a time-out.
  await until(verdicts, right, { timeoutMs: 20_000, everyMs: 100 }).catch(() => undefined)
  expect(verdicts(), `seed ${seed}`).toEqual(right)
  for (const { subscriber } of watched) expect(subscriber.connections(), subscriber.name).toBeGreaterThan(1)
}

interface KeptLog {
  readonly entries: readonly LogEntry[]
  firstSequence(sourceId: string): number
}

/** Remembers every message that is committed from now on. @returns what gives them, in order. */
async function keepLog(sql: Sql): Promise<() => Promise<KeptLog>> {
  await sql.query('create table kept (source_id text, sequence bigint, id text, content text)')
  await sql.query(
    `create function keep() returns trigger language plpgsql as $$ begin
       insert into kept values (new.source_id, new.sequence, new.id, convert_from(new.body, 'UTF8'));
       return null;
     end $$`,
  )
  await sql.query('create trigger keep after insert on messages for each row execute function keep()')
  return async () => {
    const entries = await sql.query<LogEntry>(
      `select source_id as "sourceId", sequence, id, content from kept order by sequence`,
    )
    const heads = await sql.query<{ id: string; first: number }>(
      'select source_id as id, first_sequence as first from source_heads',
    )
    const firsts = new Map(heads.map(({ id, first }) => [id, first]))
    return { entries, firstSequence: (sourceId) => firsts.get(sourceId) ?? 0 }
  }
}

type Sources = readonly [CreatedSource, CreatedSource, CreatedSource]
type World = Awaited<ReturnType<typeof startWorld>>

const addressOf = ({ ingressUrl }: CreatedSource, baseUrl: string) => baseUrl + new URL(ingressUrl).pathname

/** Two processes on one PostgreSQL and one Redis. */
async function startWorld() {
  const [database, redis] = await Promise.all([createTestDatabase(), startRedis()])
  const pool = createPool({ ...database, max: 2, applicationName: 'test', onError: () => undefined })
  onTestFinished(async () => {
    await pool.end()
    await database.drop()
  })
  const shared = { DATABASE_URL: database.databaseUrl, REDIS_URL: redis.url, MASTER_KEYS: generateMasterKey() }
  const first = await startProcess(shared)
  const token = first.adminToken()
  const processes = [first, await startProcess(shared)] as const
  return {
    sql: sqlOfPool(pool),
    redis,
    token,
    processes,
    anyUrl: (chance: Chance) => chance.oneOf([processes[0].baseUrl, processes[1].baseUrl]),
    async sources(): Promise<Sources> {
      const create = (name: string, more = {}) => createSource(first.baseUrl, token, { name, ...more })
      return await Promise.all([create('orders'), create('stock'), create('brief', { retention: { maxMessages: 20 } })])
    },
  }
}

async function startRedis(): Promise<TestRedis> {
  const redis = await startTestRedis()
  onTestFinished(() => redis.stop())
  return redis
}

/** A process that can be killed, and then starts again on the same port. */
async function startProcess(shared: Record<string, string>) {
  const environment = { ...shared, PORT: String(await findFreePort('127.0.0.1')) }
  let gateway: GatewayProcess = await startGatewayProcess(environment)
  onTestFinished(async () => void (await gateway.stop('SIGKILL')))
  return {
    baseUrl: gateway.baseUrl,
    adminToken: () => gateway.adminToken(),
    async killAndRestart() {
      await gateway.stop('SIGKILL')
      gateway = await startGatewayProcess(environment)
    },
  }
}
