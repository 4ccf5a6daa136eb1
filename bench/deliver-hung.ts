import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { portOf } from './floors/verified-body.ts'
import type { HttpLoadProtocol } from './load/http-load.ts'
import type { SinkProtocol } from './load/sink.ts'
import { type Bench, type BenchSetup, row, verify } from './rig/bench.ts'
import { type Child, startChild } from './rig/child.ts'
import { type BenchConnection, startDatabaseServer } from './rig/database-server.ts'
import { openEndpoint } from './rig/endpoint.ts'
import { type Gateway, startGateway } from './rig/gateway.ts'
import type { Resources } from './rig/resources.ts'
import { measureInRounds } from './rig/rounds.ts'
import { countDeliveries } from './rig/settled.ts'
import { type OpenSource, openSource } from './rig/source.ts'
import { figureOf, ratioOf, rounded } from './rig/statistics.ts'

const databaseName = 'gateway'
const answering = 10
const connections = 64
const eventsPerSecond = 1_000
const withinMs = 60_000
const pollMs = 5
const body = JSON.stringify({ type: 'order.created', data: { padding: 'x'.repeat(972) } })

/**
 * What nine endpoints lose when the tenth hangs. Ten sources, each with one endpoint of its own; in every other
 * measurement the tenth source is one whose endpoint takes connections and never answers. The same events come in, so
 * that only its hanging differs.
 */
export const deliverHung: Bench = {
  summary: 'events per second to nine endpoints while a tenth hangs, and while it answers',
  async run(setup) {
    const parts = await start(setup)
    const events = Math.round(eventsPerSecond * setup.seconds)
    const answers = () => deliverTo(parts, { tenth: parts.healthy, events, isHung: false })
    const hangs = () => deliverTo(parts, { tenth: parts.hung, events, isHung: true })
    setup.tell('warming up')
    await answers()
    const seen = await measureInRounds(setup.rounds, { answering: answers, hanging: hangs }, setup.tell)
    verify(parts.hungSockets.size > 0, 'the endpoint that hangs was sent to')
    const ratio = ratioOf(seen.hanging, seen.answering)
    return {
      json: {
        hanging_per_s: rounded(figureOf(seen.hanging).median),
        answering_per_s: rounded(figureOf(seen.answering).median),
        ratios: { hung: rounded(ratio.median) },
        spread: [rounded(ratio.min), rounded(ratio.max)],
        events,
        rounds: seen.hanging.length,
      },
      rows: [
        row('nine endpoints, the tenth answers', figureOf(seen.answering), '/s'),
        row('nine endpoints, the tenth hangs', figureOf(seen.hanging), '/s'),
        { what: 'hanging / answering', figure: ratio, unit: '', wanted: { atLeast: 0.9 } },
      ],
      notes: [
        `${events} events a measurement, about a tenth of them for the tenth endpoint, which are not counted.`,
        'Verified: each was acknowledged; each that was not for the endpoint that hangs was settled and seen by the sink.',
      ],
    }
  },
}

interface Parts {
  readonly sink: Child<SinkProtocol>
  readonly load: Child<HttpLoadProtocol>
  readonly gateway: Gateway
  readonly nine: readonly OpenSource[]
  /** The tenth, by turns. */
  readonly healthy: OpenSource
  readonly hung: OpenSource
  readonly hungSockets: ReadonlySet<Socket>
  readonly connection: BenchConnection
}

async function start({ resources, profileDirectory }: BenchSetup): Promise<Parts> {
  const database = await startDatabaseServer(resources, { countsStatements: false })
  const file = (path: string) => new URL(path, import.meta.url)
  const sink = await startChild<SinkProtocol>(resources, { file: file('load/sink.ts'), settings: { ports: answering } })
  const hung = await listenMutely(resources)
  const databaseUrl = await database.createDatabase(databaseName)
  const gateway = await startGateway(resources, { databaseUrl, profileDirectory })
  const sourceFor = async (port: number): Promise<OpenSource> => {
    const source = await openSource(gateway, { name: `source-${port}`, githubSecret: null })
    await openEndpoint(gateway, { url: `http://127.0.0.1:${port}/hook`, sourceIds: [source.id] })
    return source
  }
  const [healthyPort = 0, ...ports] = sink.ready.ports
  return {
    sink,
    load: await startChild(resources, { file: file('load/http-load.ts'), settings: {} }),
    gateway,
    nine: await Promise.all(ports.map(sourceFor)),
    healthy: await sourceFor(healthyPort),
    hung: await sourceFor(hung.port),
    hungSockets: hung.sockets,
    connection: await database.openAsBench(databaseName),
  }
}

/** Takes connections and what is sent, and says nothing. */
async function listenMutely(resources: Resources): Promise<{ port: number; sockets: ReadonlySet<Socket> }> {
  const sockets = new Set<Socket>()
  const server = createServer((request) => request.resume()).on('connection', (socket) => sockets.add(socket))
  await resources.add(() => {
    server.close().closeAllConnections()
  })
  return { port: await portOf(server), sockets }
}

interface Given {
  readonly tenth: OpenSource
  readonly isHung: boolean
  readonly events: number
}

/** @returns the events per second that reached the nine, from the first request until the last was settled. */
async function deliverTo(parts: Parts, { tenth, isHung, events }: Given): Promise<number> {
  const { load, sink, gateway, connection } = parts
  const before = (await countDeliveries(connection)).delivered ?? 0
  const tenthBefore = await tenth.lastSequence()
  const startedMs = performance.now()
  const accepted = await load.ask({
    port: gateway.port,
    connections,
    paths: [...parts.nine, tenth].map(({ path }) => path),
    headers: { 'content-type': 'application/json' },
    body,
    uniqueHeader: null,
    count: events,
    seconds: withinMs / 1000,
  })
  // Connections keep to a path each, and some are faster than others.
  const forNine = events - ((await tenth.lastSequence()) - tenthBefore)
  const expected = isHung ? forNine : events
  const received = await sink.ask({ distinct: expected, withinMs })
  const delivered = (await untilDelivered(connection, before + expected)) - before
  const elapsedMs = performance.now() - startedMs
  verify(accepted.acknowledged === events, `${events} sent, ${JSON.stringify(accepted.answers)} answered`)
  verify(received.distinct === expected, `${expected} to be delivered, the sink saw ${received.distinct}`)
  verify(delivered === expected, `${expected} to be delivered, ${delivered} were settled`)
  return (forNine * 1000) / elapsedMs
}

async function untilDelivered(connection: BenchConnection, expected: number): Promise<number> {
  const deadlineMs = performance.now() + withinMs
  for (;;) {
    const { delivered = 0 } = await countDeliveries(connection)
    if (delivered >= expected || performance.now() > deadlineMs) return delivered
    await delay(pollMs)
  }
}
