import { randomBytes } from 'node:crypto'
import type { HmacServerProtocol } from './floors/hmac-server.ts'
import type { TransactionServerProtocol } from './floors/transaction-server.ts'
import type { HttpLoad, HttpLoadProtocol, HttpLoadReport } from './load/http-load.ts'
import { githubSignature, requestBody } from './load/signed-request.ts'
import { type Bench, type BenchResult, type BenchSetup, type Row, row, verify } from './rig/bench.ts'
import { type Child, startChild } from './rig/child.ts'
import { type BenchConnection, startDatabaseServer } from './rig/database-server.ts'
import { startGateway } from './rig/gateway.ts'
import { measureInRounds } from './rig/rounds.ts'
import { type OpenSource, openSource, untilFannedOut } from './rig/source.ts'
import { figureOf, ratioOf, rounded } from './rig/statistics.ts'

const connections = 64
const warmUpSeconds = 1
/** There is more code to be compiled: only after some 20,000 requests do its figures stand still. */
const gatewayWarmUpSeconds = 3
/** The fastest of 2 to 32 on two cores; from 10 to 20 there is little between them. */
const floorPoolSize = 14

/**
 * How many signed requests a second are acknowledged.
 *
 * `ours` sends no `X-GitHub-Delivery`: then there is no idempotency claim to write, as there is none in floor B.
 * `oursWithIds` sends a new one with each request, as GitHub does, and so pays for a claim on top. `oursWithAll` has all
 * that a source can ask for: an `Idempotency-Key` with each request, a rate limit, and a type taken from the payload.
 */
export const ingest: Bench = {
  summary: 'signed 1 kB requests acknowledged per second, 64 connections',
  async run(setup) {
    const parts = await start(setup)
    const { load, floorA, floorB, gateway, sources, connection } = parts
    const send = async (port: number, path: string, uniqueHeader: string | null, seconds = setup.seconds) => {
      const report = await load.ask({ ...parts.request, port, paths: [path], uniqueHeader, seconds })
      verify(Object.keys(report.answers).join() === '202', `every request is accepted: ${JSON.stringify(report)}`)
      return report
    }
    const sendToGateway = async (source: OpenSource, uniqueHeader: string | null, seconds?: number) => {
      const before = await source.lastSequence()
      const report = await send(gateway.port, source.path, uniqueHeader, seconds)
      const stored = (await source.lastSequence()) - before
      verify(stored === report.acknowledged, `${report.acknowledged} acknowledged, ${stored} stored`)
      return { ...report, fanOutLagMs: await untilFannedOut(connection) }
    }
    const sendPlain = (seconds?: number) => sendToGateway(sources.plain, null, seconds)
    const sendWithIds = (seconds?: number) => sendToGateway(sources.plain, 'x-github-delivery', seconds)
    const sendWithAll = (seconds?: number) => sendToGateway(sources.strict, 'idempotency-key', seconds)
    setup.tell('warming up')
    await send(floorA.ready.port, '/', null, warmUpSeconds)
    await send(floorB.ready.port, '/', null, warmUpSeconds)
    await sendPlain(gatewayWarmUpSeconds)
    await sendWithIds(gatewayWarmUpSeconds)
    await sendWithAll(gatewayWarmUpSeconds)
    const seen = await measureInRounds(
      setup.rounds,
      {
        A: () => send(floorA.ready.port, '/', null),
        B: () => send(floorB.ready.port, '/', null),
        ours: () => sendPlain(),
        oursWithIds: () => sendWithIds(),
        oursWithAll: () => sendWithAll(),
      },
      setup.tell,
    )
    return resultOf(seen)
  },
}

interface Parts {
  readonly load: Child<HttpLoadProtocol>
  readonly floorA: Child<HmacServerProtocol>
  readonly floorB: Child<TransactionServerProtocol>
  readonly gateway: { readonly port: number }
  readonly sources: { readonly plain: OpenSource; readonly strict: OpenSource }
  readonly connection: BenchConnection
  readonly request: Pick<HttpLoad, 'connections' | 'headers' | 'body' | 'count'>
}

async function start({ resources, profileDirectory }: BenchSetup): Promise<Parts> {
  const secret = randomBytes(24).toString('hex')
  const database = await startDatabaseServer(resources, { countsStatements: false })
  const [floorUrl, gatewayUrl] = [await database.createDatabase('floor'), await database.createDatabase('gateway')]
  const gateway = await startGateway(resources, { databaseUrl: gatewayUrl, profileDirectory })
  const plain = await openSource(gateway, { name: 'plain', githubSecret: secret })
  const strict = await openSource(gateway, { name: 'strict', githubSecret: secret, settings: everything })
  const body = requestBody()
  const signature = githubSignature(secret, body)
  return {
    load: await startChild<HttpLoadProtocol>(resources, {
      file: new URL('load/http-load.ts', import.meta.url),
      settings: {},
    }),
    floorA: await startChild<HmacServerProtocol>(resources, {
      file: new URL('floors/hmac-server.ts', import.meta.url),
      settings: { secret },
    }),
    floorB: await startChild<TransactionServerProtocol>(resources, {
      file: new URL('floors/transaction-server.ts', import.meta.url),
      settings: { secret, databaseUrl: floorUrl, poolSize: floorPoolSize },
    }),
    gateway,
    sources: { plain, strict },
    connection: await database.openAsBench('gateway'),
    request: {
      connections,
      count: null,
      body,
      headers: { 'content-type': 'application/json', 'x-github-event': 'push', 'x-hub-signature-256': signature },
    },
  }
}

/** All that a source can ask for beside the signature; the limit is never reached. */
const everything = {
  rateLimit: { count: 1_000_000_000, windowMs: 60_000 },
  mapping: { type: { pointer: '/type' }, subject: { pointer: '/subject' } },
}

type Seen = Record<'A' | 'B', HttpLoadReport[]> &
  Record<'ours' | 'oursWithIds' | 'oursWithAll', (HttpLoadReport & Lag)[]>

interface Lag {
  /** From the last acknowledgement to the fan-out mark having reached it. */
  readonly fanOutLagMs: number
}

function resultOf(seen: Seen): BenchResult {
  const rates = (name: keyof Seen) => seen[name].map((each) => each.acknowledged / (each.elapsedMs / 1000))
  const [a, b, ours] = [rates('A'), rates('B'), rates('ours')]
  const [withIds, withAll] = [rates('oursWithIds'), rates('oursWithAll')]
  const ratioA = ratioOf(ours, a)
  const ratioB = ratioOf(ours, b)
  const latency = (name: keyof Seen, part: 'p50' | 'p99') => figureOf(seen[name].map((each) => each.latencyMs[part]))
  const perSecond = (what: string, values: number[]): Row => row(what, figureOf(values), '/s')
  const names = ['A', 'B', 'ours', 'oursWithIds', 'oursWithAll'] as const
  const p99s = (name: keyof Seen) => seen[name].map((each) => each.latencyMs.p99)
  const lag = figureOf(seen.ours.map((each) => each.fanOutLagMs))
  return {
    json: {
      ours_per_s: rounded(figureOf(ours).median),
      ours_with_ids_per_s: rounded(figureOf(withIds).median),
      ours_with_all_per_s: rounded(figureOf(withAll).median),
      floors: { A: rounded(figureOf(a).median), B: rounded(figureOf(b).median) },
      ratios: { A: rounded(ratioA.median), B: rounded(ratioB.median) },
      spread: { A: [rounded(ratioA.min), rounded(ratioA.max)], B: [rounded(ratioB.min), rounded(ratioB.max)] },
      ratios_with_all: { A: rounded(ratioOf(withAll, a).median), B: rounded(ratioOf(withAll, b).median) },
      p99_with_all: rounded(ratioOf(p99s('oursWithAll'), p99s('A')).median),
      ratios_with_ids: { A: rounded(ratioOf(withIds, a).median), B: rounded(ratioOf(withIds, b).median) },
      latency_ms: Object.fromEntries(
        names.map((name) => [
          name,
          { p50: rounded(latency(name, 'p50').median), p99: rounded(latency(name, 'p99').median) },
        ]),
      ),
      fan_out_lag_ms: rounded(lag.median),
      rounds: ours.length,
    },
    rows: [
      perSecond('floor A: HMAC checked, nothing kept', a),
      perSecond('floor B: one transaction per request', b),
      perSecond('ours, no claim', ours),
      perSecond('ours, one claim per request', withIds),
      perSecond('ours, with all', withAll),
      { ...row('ours / A', ratioA, ''), wanted: { atLeast: 0.5 } },
      { ...row('ours / B', ratioB, ''), wanted: { atLeast: 4 } },
      row('ours with claims / A', ratioOf(withIds, a), ''),
      row('ours with claims / B', ratioOf(withIds, b), ''),
      { ...row('ours with all / A', ratioOf(withAll, a), ''), wanted: { atLeast: 0.45 } },
      { ...row('ours with all / A: p99', ratioOf(p99s('oursWithAll'), p99s('A')), ''), wanted: { atMost: 3 } },
      ...names.flatMap((name) => [
        row(`${name}: p50`, latency(name, 'p50'), 'ms'),
        row(`${name}: p99`, latency(name, 'p99'), 'ms'),
      ]),
      row('ours: fan-out done after the last answer', lag, 'ms'),
    ],
    notes: ['Verified after each measurement of ours: acknowledged requests = increase of lastSequence.'],
  }
}
