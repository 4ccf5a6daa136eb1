import type { PostLoopProtocol } from './floors/post-loop.ts'
import type { HttpLoadProtocol } from './load/http-load.ts'
import type { SinkProtocol } from './load/sink.ts'
import { type Bench, type BenchResult, type BenchSetup, row, verify } from './rig/bench.ts'
import { type Child, startChild } from './rig/child.ts'
import { type BenchConnection, startDatabaseServer, statisticsDatabase } from './rig/database-server.ts'
import { openEndpoint } from './rig/endpoint.ts'
import { type Gateway, startGateway } from './rig/gateway.ts'
import { measureInRounds } from './rig/rounds.ts'
import { countDeliveries, untilSettled } from './rig/settled.ts'
import { openSource } from './rig/source.ts'
import { resetStatements, type StatementCount, statementsSince } from './rig/statements.ts'
import { figureOf, ratioOf, rounded } from './rig/statistics.ts'

const databaseName = 'gateway'
const endpoints = 10
const connections = 64
/** The fastest of 10 to 100 on two cores. */
const floorConcurrency = 64
/** Sized for about the length that was asked for; both sides send the same number. */
const eventsPerSecond = 1_500
const settledWithinMs = 60_000
const body = JSON.stringify({ type: 'order.created', data: { padding: 'x'.repeat(972) } })

/**
 * How many events a second go all the way: in by a request, out to one endpoint, settled.
 *
 * Ten sources, each with one endpoint of its own, so that each event is one delivery and nothing is shared between
 * them that ten tenants would not share.
 */
export const deliver: Bench = {
  summary: `events per second from ingress to settled delivery, ${endpoints} endpoints, and SQL statements for each`,
  async run(setup) {
    const parts = await start(setup)
    const events = Math.round(eventsPerSecond * setup.seconds)
    setup.tell('warming up')
    await postInLoop(parts, 2 * events)
    await sendThrough(parts, events)
    const seen = await measureInRounds(
      setup.rounds,
      { floor: () => postInLoop(parts, events), ours: () => sendThrough(parts, events) },
      setup.tell,
    )
    return resultOf(seen, events)
  },
}

interface Parts {
  readonly sink: Child<SinkProtocol>
  readonly floor: Child<PostLoopProtocol>
  readonly load: Child<HttpLoadProtocol>
  readonly gateway: Gateway
  readonly paths: readonly string[]
  readonly connection: BenchConnection
  /** Where pg_stat_statements is. */
  readonly statistics: BenchConnection
}

async function start({ resources, profileDirectory }: BenchSetup): Promise<Parts> {
  const database = await startDatabaseServer(resources, { countsStatements: true })
  const file = (path: string) => new URL(path, import.meta.url)
  const sink = await startChild<SinkProtocol>(resources, { file: file('load/sink.ts'), settings: { ports: endpoints } })
  const databaseUrl = await database.createDatabase(databaseName)
  const gateway = await startGateway(resources, { databaseUrl, profileDirectory })
  const paths: string[] = []
  for (const port of sink.ready.ports) {
    const source = await openSource(gateway, { name: `source-${paths.length}`, githubSecret: null })
    await openEndpoint(gateway, { url: `http://127.0.0.1:${port}/hook`, sourceIds: [source.id] })
    paths.push(source.path)
  }
  return {
    sink,
    floor: await startChild(resources, {
      file: file('floors/post-loop.ts'),
      settings: { ports: sink.ready.ports, concurrency: floorConcurrency },
    }),
    load: await startChild(resources, { file: file('load/http-load.ts'), settings: {} }),
    gateway,
    paths,
    connection: await database.openAsBench(databaseName),
    statistics: await database.openAsBench(statisticsDatabase),
  }
}

async function postInLoop({ floor, sink }: Parts, count: number): Promise<{ perSecond: number }> {
  const { elapsedMs } = await floor.ask({ count, body })
  const { requests } = await sink.ask({ distinct: count, withinMs: 1_000 })
  verify(requests === count, `the floor posted ${count}, the sink saw ${requests}`)
  return { perSecond: (count * 1000) / elapsedMs }
}

interface Through {
  readonly perSecond: number
  /** The ingress alone, while deliveries go on beside it. */
  readonly acceptedPerSecond: number
  readonly statements: StatementCount
}

async function sendThrough(parts: Parts, count: number): Promise<Through> {
  const { load, sink, gateway, connection } = parts
  const before = await countDeliveries(connection)
  await resetStatements(parts.statistics)
  const startedMs = performance.now()
  const accepted = await load.ask({
    port: gateway.port,
    connections,
    paths: parts.paths,
    headers: { 'content-type': 'application/json' },
    body,
    uniqueHeader: null,
    count,
    seconds: settledWithinMs / 1000,
  })
  const received = await sink.ask({ distinct: count, withinMs: settledWithinMs })
  const settled = await untilSettled(connection, settledWithinMs)
  const elapsedMs = performance.now() - startedMs
  verify(accepted.acknowledged === count, `${count} sent, ${JSON.stringify(accepted.answers)} answered`)
  verify(received.distinct === count, `${count} acknowledged, the sink saw ${received.distinct}`)
  const delivered = (settled.delivered ?? 0) - (before.delivered ?? 0)
  verify(delivered === count, `${count} acknowledged, ${delivered} delivered: ${JSON.stringify(settled)}`)
  return {
    perSecond: (count * 1000) / elapsedMs,
    acceptedPerSecond: (count * 1000) / accepted.elapsedMs,
    statements: await statementsSince(parts.statistics, databaseName),
  }
}

function resultOf(seen: { floor: { perSecond: number }[]; ours: Through[] }, events: number): BenchResult {
  const floor = seen.floor.map(({ perSecond }) => perSecond)
  const ours = seen.ours.map(({ perSecond }) => perSecond)
  const accepted = seen.ours.map(({ acceptedPerSecond }) => acceptedPerSecond)
  const statements = seen.ours.map((each) => each.statements.total / events)
  const ratio = ratioOf(ours, floor)
  return {
    json: {
      ours_per_s: rounded(figureOf(ours).median),
      floors: { undici: rounded(figureOf(floor).median) },
      ratios: { undici: rounded(ratio.median) },
      spread: [rounded(ratio.min), rounded(ratio.max)],
      statements_per_delivery: rounded(figureOf(statements).median),
      accepted_per_s: rounded(figureOf(accepted).median),
      events,
      rounds: ours.length,
    },
    rows: [
      row('floor: sign and post', figureOf(floor), '/s'),
      row('ours: ingress to settled', figureOf(ours), '/s'),
      { what: 'ours / floor', figure: ratio, unit: '', wanted: { atLeast: 0.2 } },
      { ...row('SQL statements per delivery', figureOf(statements), ''), wanted: { atMost: 1 } },
      row('ours: accepted meanwhile', figureOf(accepted), '/s'),
    ],
    notes: [
      `${events} events a round. Verified: each was acknowledged, settled as delivered, and seen by the sink.`,
      'Counted by pg_stat_statements: every statement of the gateway, begin and commit and idle polls included,',
      'from before the first request until all is settled, divided by the deliveries. The last round:',
      ...(seen.ours.at(-1)?.statements.most ?? []).map(
        ({ calls, totalMs, text }) =>
          `  ${(calls / events).toFixed(3).padStart(7)} calls ${((totalMs * 1000) / events).toFixed(1).padStart(7)} µs  ${text}`,
      ),
    ],
  }
}
