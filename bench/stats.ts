import { foldFreshCounts } from '../src/rollups/index.ts'
import { type Bench, type BenchResult, row, verify } from './rig/bench.ts'
import { type BenchConnection, startDatabaseServer } from './rig/database-server.ts'
import { openEndpoint } from './rig/endpoint.ts'
import { type Gateway, startGateway } from './rig/gateway.ts'
import { measureInRounds } from './rig/rounds.ts'
import { openSource } from './rig/source.ts'
import { figureOf, quantile, ratioOf, rounded } from './rig/statistics.ts'

const sizes = { thousand: 1_000, million: 1_000_000 }
const fillStep = 250_000
const endpoints = 10
const warmUpSeconds = 1

/**
 * Whether statistics cost the same however much happened. Two gateways take turns, each on a database of its own: the
 * deliveries of one day are a thousand in one and a million in the other. Each is asked what a dashboard asks, one request
 * after the other.
 */
export const stats: Bench = {
  summary: 'the time of a dashboard’s query at a million deliveries against that at a thousand',
  async run({ resources, rounds, seconds, tell, profileDirectory }) {
    const database = await startDatabaseServer(resources, { countsStatements: false })
    const open = async (name: keyof typeof sizes): Promise<Gateway> => {
      const databaseUrl = await database.createDatabase(name)
      const gateway = await startGateway(resources, { databaseUrl, profileDirectory })
      const source = await openSource(gateway, { name: 'stats', githubSecret: null })
      for (let i = 0; i < endpoints; i += 1) {
        await openEndpoint(gateway, { url: `http://127.0.0.1:9/${i}`, sourceIds: [source.id] })
      }
      tell(`storing ${sizes[name]} deliveries`)
      await fill(await database.openAsBench(name), sizes[name])
      return gateway
    }
    const [small, large] = [await open('thousand'), await open('million')]
    tell('warming up')
    await ask(small, sizes.thousand, warmUpSeconds)
    await ask(large, sizes.million, warmUpSeconds)
    const measures = {
      thousand: () => ask(small, sizes.thousand, seconds),
      million: () => ask(large, sizes.million, seconds),
    }
    return resultOf(await measureInRounds(rounds, measures, tell))
  },
}

const query = `query ($day: TimeRangeInput!, $hour: TimeRangeInput!) {
  project {
    day: stats(range: $day) { total { ...Bucket } series { ...Bucket } }
    hour: stats(range: $hour) { series(interval: MINUTE) { ...Bucket } }
  }
  endpoints(first: ${endpoints}) { nodes { stats(range: $day) { total { successRatio latency { p95Ms } } } } }
}
fragment Bucket on StatsBucket {
  from receivedCount deliveredCount failedCount retriedCount successRatio latency { meanMs p50Ms p95Ms p99Ms }
}`

interface Answer {
  readonly project: { readonly day: { readonly total: { readonly deliveredCount: number } } }
}

/** @returns the median of the requests' times, in ms. */
async function ask(gateway: Gateway, deliveries: number, seconds: number): Promise<number> {
  const hourMs = 3_600_000
  const before = (hours: number) => new Date(Date.now() - hours * hourMs).toISOString()
  const timesMs: number[] = []
  const endMs = performance.now() + seconds * 1000
  while (performance.now() < endMs) {
    const startMs = performance.now()
    const variables = { day: { from: before(25) }, hour: { from: before(1) } }
    const { project } = await gateway.graphql<Answer>(query, variables)
    timesMs.push(performance.now() - startMs)
    const { deliveredCount } = project.day.total
    verify(deliveredCount === deliveries, `${deliveries} deliveries are counted, not ${deliveredCount}`)
  }
  return quantile(timesMs, 0.5)
}

async function fill(connection: BenchConnection, count: number): Promise<void> {
  for (let from = 1; from <= count; from += fillStep) {
    await connection.ask(deliveriesText, [from, Math.min(count, from + fillStep - 1), count])
  }
  await connection.ask(countsText)
  while ((await foldFreshCounts({ query: connection.ask }, 1_000)) > 0);
  for (const table of ['deliveries', 'rollups', 'fresh_counts']) await connection.ask(`vacuum analyze ${table}`)
  await connection.ask('checkpoint')
}

// Spread evenly over the last 24 hours, the latest two minutes ago.
const deliveriesText = `
  insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, status, attempt_count, created_at,
                          updated_at)
  select 'dlv_' || lpad(n::text, 26, '0'), s.project_id, s.id, n, 'msg_' || lpad(n::text, 26, '0'), e.ids[1 + n % ${endpoints}],
         'delivered', 1, t.at, t.at
    from generate_series($1::int, $2::int) as n
   cross join (select x.id, x.project_id from sources as x where x.name = 'stats') as s
   cross join (select array_agg(x.id order by x.id) as ids from endpoints as x) as e
   cross join lateral (select now() - interval '2 minutes' - (n::float8 / $3::int) * interval '24 hours' as at) as t`

// What settling would have counted, with durations all over thirty slots.
const countsText = `
  with slot as (
    select coalesce(d.endpoint_id, d.source_id, d.project_id) as node_id, d.minute, d.slot, count(*) as count
      from (select x.*, date_trunc('minute', x.updated_at) as minute, x.sequence % 30 as slot from deliveries as x) as d
     group by grouping sets ((d.endpoint_id, d.minute, d.slot), (d.source_id, d.minute, d.slot),
                             (d.project_id, d.minute, d.slot))
  )
  insert into fresh_counts (node_id, minute, shard, received, refused, created, delivered, failed, retried, attempts,
                            duration_ms, histogram)
  select s.node_id, s.minute, 0, sum(s.count), 0, sum(s.count), sum(s.count), 0, 0, sum(s.count), sum(s.count) * 20,
         array_agg(s.count order by s.slot)
    from slot as s
   group by s.node_id, s.minute`

function resultOf(seen: Record<keyof typeof sizes, number[]>): BenchResult {
  const ratio = ratioOf(seen.million, seen.thousand)
  return {
    json: {
      thousand_ms: rounded(figureOf(seen.thousand).median),
      million_ms: rounded(figureOf(seen.million).median),
      ratio: rounded(ratio.median),
      spread: [rounded(ratio.min), rounded(ratio.max)],
      rounds: seen.million.length,
    },
    rows: [
      row(`${sizes.thousand} deliveries in a day`, figureOf(seen.thousand), 'ms'),
      row(`${sizes.million} deliveries in a day`, figureOf(seen.million), 'ms'),
      { ...row('million / thousand', ratio, ''), wanted: { atMost: 2 } },
    ],
    notes: ['Verified with each request: the day’s total is the number of deliveries.'],
  }
}
