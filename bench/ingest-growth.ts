import { randomBytes } from 'node:crypto'
import type { HttpLoadProtocol, HttpLoadReport } from './load/http-load.ts'
import { githubSignature, requestBody } from './load/signed-request.ts'
import { type Bench, type BenchResult, row, verify } from './rig/bench.ts'
import { startChild } from './rig/child.ts'
import { type BenchConnection, startDatabaseServer } from './rig/database-server.ts'
import { startGateway } from './rig/gateway.ts'
import { measureInRounds } from './rig/rounds.ts'
import { type OpenSource, openSource, untilFannedOut } from './rig/source.ts'
import { figureOf, ratioOf, rounded } from './rig/statistics.ts'

const connections = 64
const warmUpSeconds = 3
const storedMessages = 1_000_000
const fillStep = 100_000

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
    await fill(full.connection, full.source.id)
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

async function fill(connection: BenchConnection, sourceId: string): Promise<void> {
  for (let from = 0; from < storedMessages; from += fillStep) {
    await connection.ask(fillText, [sourceId, from + 1, from + fillStep])
  }
  await connection.ask(
    `update source_heads set last_sequence = $2, log_bytes = $2::bigint * 1024 where source_id = $1`,
    [sourceId, storedMessages],
  )
  await connection.ask(`update fan_out_marks set fanned_out_to = $2 where source_id = $1`, [sourceId, storedMessages])
  for (const table of ['messages', 'claims']) await connection.ask(`vacuum analyze ${table}`)
  await connection.ask('checkpoint')
}

const fillText = `
  with stored as (
    insert into messages (
      source_id, sequence, id, project_id, received_at, method, headers, content_type, remote_address, body, event_id,
      event_type, log_bytes)
    select h.source_id, n, 'msg_' || lpad(n::text, 26, '0'), h.project_id, now(), 'POST',
           '[["content-type","application/json"],["x-github-event","push"]]', 'application/json', '127.0.0.1',
           decode(repeat(md5(n::text), 64), 'hex'), gen_random_uuid()::text, 'push', n::bigint * 1024
      from generate_series($2::int, $3::int) as n
      join source_heads as h on h.source_id = $1
    returning source_id, sequence, id, event_id, received_at
  )
  insert into claims (source_id, key, message_id, sequence, claimed_at)
  select s.source_id, 'event:' || s.event_id, s.id, s.sequence, s.received_at from stored as s`

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
