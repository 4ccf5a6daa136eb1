import { randomBytes } from 'node:crypto'
import type { HttpLoadProtocol, HttpLoadReport } from './load/http-load.ts'
import { githubSignature, requestBody } from './load/signed-request.ts'
import { type Bench, type BenchResult, row, verify } from './rig/bench.ts'
import { startChild } from './rig/child.ts'
import { type BenchConnection, startDatabaseServer } from './rig/database-server.ts'
import { fillSource } from './rig/fill-source.ts'
import { startGateway } from './rig/gateway.ts'
import { measureInRounds } from './rig/rounds.ts'
import { type OpenSource, openSource, untilFannedOut } from './rig/source.ts'
import { figureOf, ratioOf, rounded } from './rig/statistics.ts'

const connections = 64
const warmUpSeconds = 3
const storedMessages = 1_000_000

/**
 * Whether the rate holds as the log grows. Two gateways take turns, each on a database of its own: one that begins empty,
 * and one whose source holds a million messages of 1 kB with their claims. Each request carries a new
 * `X-GitHub-Delivery`, so that the claims' index is written too.
 */
export const ingestGrowth: Bench = {
  summary: 'the rate at a million stored messages against that of an empty database',
  async run({ resources, rounds, seconds, tell, profileDirectory }) {
    const secret = randomBytes(24).toString('hex')
    const database = await startDatabaseServer(resources, { countsStatements: false })
    const open = async (name: string) => {
      const databaseUrl = await database.createDatabase(name)
      const gateway = await startGateway(resources, { databaseUrl, profileDirectory })
      const source = await openSource(gateway, { name: 'ingest', githubSecret: secret })
      return { gateway, source, connection: await database.openAsBench(name) }
    }
    const empty = await open('fresh')
    const full = await open('filled')
    tell(`storing ${storedMessages} messages`)
    await fillSource(full.connection, full.source.id, { messages: storedMessages, withClaims: true })
    const file = new URL('load/http-load.ts', import.meta.url)
    const load = await startChild<HttpLoadProtocol>(resources, { file, settings: {} })
    const body = requestBody()
    const headers = {
      'content-type': 'application/json',
      'x-github-event': 'push',
      'x-hub-signature-256': githubSignature(secret, body),
    }
    const send = async ({ gateway, source, connection }: Target, forSeconds = seconds) => {
      const before = await source.lastSequence()
      const report = await load.ask({
        port: gateway.port,
        connections,
        paths: [source.path],
        headers,
        body,
        uniqueHeader: 'x-github-delivery',
        count: null,
        seconds: forSeconds,
      })
      verify(Object.keys(report.answers).join() === '202', `every request is accepted: ${JSON.stringify(report)}`)
      const stored = (await source.lastSequence()) - before
      verify(stored === report.acknowledged, `${report.acknowledged} acknowledged, ${stored} stored`)
      await untilFannedOut(connection)
      return report
    }
    tell('warming up')
    await send(empty, warmUpSeconds)
    await send(full, warmUpSeconds)
    return resultOf(await measureInRounds(rounds, { empty: () => send(empty), full: () => send(full) }, tell))
  },
}

interface Target {
  readonly gateway: { readonly port: number }
  readonly source: OpenSource
  readonly connection: BenchConnection
}

function resultOf(seen: Record<'empty' | 'full', HttpLoadReport[]>): BenchResult {
  const rates = (name: 'empty' | 'full') => seen[name].map((each) => each.acknowledged / (each.elapsedMs / 1000))
  const ratio = ratioOf(rates('full'), rates('empty'))
  const p99 = (name: 'empty' | 'full') => figureOf(seen[name].map((each) => each.latencyMs.p99))
  return {
    json: {
      empty_per_s: rounded(figureOf(rates('empty')).median),
      full_per_s: rounded(figureOf(rates('full')).median),
      stored_messages: storedMessages,
      ratio: rounded(ratio.median),
      spread: [rounded(ratio.min), rounded(ratio.max)],
      rounds: seen.full.length,
    },
    rows: [
      row('empty at the beginning', figureOf(rates('empty')), '/s'),
      row(`with ${storedMessages} messages`, figureOf(rates('full')), '/s'),
      { ...row('full / empty', ratio, ''), wanted: { atLeast: 0.9 } },
      row('empty: p99', p99('empty'), 'ms'),
      row('full: p99', p99('full'), 'ms'),
    ],
    notes: ['Verified after each measurement: acknowledged requests = increase of lastSequence.'],
  }
}
