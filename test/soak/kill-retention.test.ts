import { expect, onTestFinished, test } from 'vitest'
import { createPool } from '../../src/db/pool.ts'
import { type Sql, sqlOfPool } from '../../src/db/sql.ts'
import { findFreePort } from '../../src/http/index.ts'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { createTestDatabase } from '../support/database.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { createSource } from '../support/graphql-client.ts'
import { startLoad } from '../support/load.ts'
import { type MessageEvent, readStream } from '../support/stream.ts'
import { until } from '../support/until.ts'
import { timeoutMs, rounds as usualRounds } from './settings.ts'

/** One takes as long as three of the other scenarios. */
const rounds = Math.ceil(usualRounds / 3)
const droppedPerRound = 10_000
const keptRows = 1_000
const startRows = keptRows + rounds * droppedPerRound

test(
  'processes that are killed while they drop messages leave none half dropped, and readers miss nothing that is kept',
  async () => {
    const sql = await openDatabase()
    const gateways = await startGateways()
    const archive = await createSource(gateways.baseUrl, gateways.token, { name: 'archive' })
    const busy = await createSource(gateways.baseUrl, gateways.token, {
      name: 'busy',
      retention: { maxMessages: 50 },
    })
    await fill(sql, archive.id)
    const reader = readStream({ ...gateways, sourceId: busy.id })
    onTestFinished(() => reader.close())
    await until(() => reader.events[0]?.__typename, 'CaughtUp')
    const start = reader.events[0]?.cursor ?? ''
    const load = startLoad(() => `${gateways.baseUrl}${new URL(busy.ingressUrl).pathname}`, 8)
    onTestFinished(() => load.stop())
    await until(() => load.acknowledged.size >= 200, true)
    await gateways.kill()

    for (let round = 1; round <= rounds; round++) {
      const kept = startRows - round * droppedPerRound
      await keep(sql, archive.id, kept)
      // Each looks at the rules as soon as it has started.
      await gateways.restart()
      await until(async () => (await stateOf(sql, archive.id)).rows < kept + droppedPerRound, true, { everyMs: 1 })
      await gateways.kill()
      expect(await stateOf(sql, archive.id)).toMatchObject(nothingHalfDone)
    }
    await gateways.restart()
    await until(async () => (await stateOf(sql, archive.id)).rows, keptRows, { timeoutMs: 60_000 })
    expect(await stateOf(sql, archive.id)).toEqual({
      ...nothingHalfDone,
      rows: keptRows,
      firstSequence: startRows - keptRows + 1,
      expired: startRows - keptRows,
    })
    await load.stop()
    const last = Math.max(...(await sequencesOf(sql, busy.id)))
    await until(() => reader.messages.at(-1)?.sequence, last)
    expectEachOnce(reader.events, last)
    await until(async () => (await sequencesOf(sql, busy.id)).length, 50)
    const late = readStream({ ...gateways, sourceId: busy.id, after: start })
    onTestFinished(() => late.close())
    await until(() => late.messages.at(-1)?.sequence, last)
    expectEachOnce(late.events, last)
    expect(late.events[0]).toMatchObject({ __typename: 'MessagesSkipped', fromSequence: 1 })
    expect(late.messages.map((message) => message.sequence)).toEqual(await sequencesOf(sql, busy.id))
  },
  timeoutMs,
)

const nothingHalfDone = { openWithoutMessage: 0, expiredWithMessage: 0, missing: 0 }

/** What retention has done of a source whose every message has one delivery. */
async function stateOf(sql: Sql, sourceId: string) {
  const [state] = await sql.query<Record<'rows' | 'firstSequence' | 'expired' | keyof typeof nothingHalfDone, number>>(
    `select h.first_sequence as "firstSequence",
            count(m.id)::int as rows,
            (count(*) filter (where d.status = 'expired'))::int as expired,
            (count(*) filter (where d.next_attempt_at is not null and m.id is null))::int as "openWithoutMessage",
            (count(*) filter (where d.status = 'expired' and m.id is not null))::int as "expiredWithMessage",
            (count(*) filter (where d.sequence >= h.first_sequence and m.id is null))::int as missing
       from source_heads as h
       join deliveries as d on d.source_id = h.source_id
       left join messages as m on m.source_id = d.source_id and m.sequence = d.sequence
      where h.source_id = $1
      group by h.first_sequence`,
    [sourceId],
  )
  if (state === undefined) throw new Error('the source has no deliveries')
  return state
}

/** Messages, each with a delivery that is due tomorrow. */
async function fill(sql: Sql, sourceId: string): Promise<void> {
  const [head] = await sql.query<{ project_id: string }>(
    `update source_heads set last_sequence = $2, log_bytes = $2 where source_id = $1 returning project_id`,
    [sourceId, startRows],
  )
  await sql.query(
    `insert into messages (source_id, sequence, id, project_id, received_at, method, headers, remote_address, body, log_bytes)
     select $1, n, 'msg_' || n, $2, now(), 'POST', '[]', '::1', 'x', n from generate_series(1, $3::int) as n`,
    [sourceId, head?.project_id, startRows],
  )
  await sql.query(
    `insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, status, next_attempt_at,
                             created_at, updated_at)
     select 'dlv_' || m.sequence, m.project_id, m.source_id, m.sequence, m.id, 'ept_1', 'retrying',
            now() + interval '1 day', now(), now()
       from messages as m
      where m.source_id = $1`,
    [sourceId],
  )
  await sql.query(`insert into endpoint_states (endpoint_id, project_id) values ('ept_1', $1)`, [head?.project_id])
  await sql.query(`update fan_out_marks set fanned_out_to = $2 where source_id = $1`, [sourceId, startRows])
}

const keep = (sql: Sql, sourceId: string, maxMessages: number) =>
  sql.query(`update sources set retention = $2 where id = $1`, [sourceId, JSON.stringify({ maxMessages })])

async function sequencesOf(sql: Sql, sourceId: string): Promise<number[]> {
  const rows = await sql.query<{ sequence: number }>(
    `select sequence from messages where source_id = $1 order by sequence`,
    [sourceId],
  )
  return rows.map((row) => row.sequence)
}

/** Messages and gaps follow one another without overlap, up to the last message. */
function expectEachOnce(events: readonly MessageEvent[], last: number): void {
  let next = 1
  for (const { message, fromSequence, toSequence } of events) {
    const from = message?.sequence ?? fromSequence
    if (from === undefined) continue
    expect(from).toBe(next)
    next = (message?.sequence ?? toSequence ?? 0) + 1
  }
  expect(next).toBe(last + 1)
}

let databaseUrl = ''

async function openDatabase(): Promise<Sql> {
  const database = await createTestDatabase()
  databaseUrl = database.databaseUrl
  const pool = createPool({ databaseUrl, max: 2, applicationName: 'test', onError: () => undefined })
  onTestFinished(async () => {
    await pool.end()
    await database.drop()
  })
  return sqlOfPool(pool)
}

/** Two processes on one PostgreSQL; clients use the first. */
async function startGateways() {
  const ports = await Promise.all([findFreePort('127.0.0.1'), findFreePort('127.0.0.1')])
  const shared = { DATABASE_URL: databaseUrl, MASTER_KEYS: generateMasterKey() }
  const start = (port: number) => startGatewayProcess({ ...shared, PORT: String(port) })
  let running = [await start(ports[0])]
  const token = running[0]?.adminToken() ?? ''
  running.push(await start(ports[1]))
  const kill = async () => {
    await Promise.all(running.map((gateway) => gateway.stop('SIGKILL')))
  }
  const restart = async () => {
    running = await Promise.all(ports.map(start))
  }
  onTestFinished(kill)
  return {
    token,
    baseUrl: `http://127.0.0.1:${ports[0]}`,
    kill,
    restart,
  }
}
