import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDeliveryWorld, type DeliveryWorld } from '../../test/support/delivery-world.ts'
import { createKeyedPool } from '../db/pool.ts'
import { type Sql, sqlOfPool, withTransaction } from '../db/sql.ts'
import { type DeliveryId, type EndpointId, newId, type ProjectId } from '../kernel/ids.ts'
import { createLog } from '../kernel/log.ts'
import { type Lease, takeLease } from './lease.ts'
import { type Settlement, settle } from './settle.ts'
import { createSettler } from './settler.ts'

let world: DeliveryWorld
let projectId: ProjectId
let endpointId: EndpointId
let lease: Lease

beforeAll(async () => {
  world = await createDeliveryWorld()
  projectId = await world.createProject()
  endpointId = (await world.createEndpoint(projectId, 'http://127.0.0.1/')).id
  const taken = await takeLease(world.sql, endpointId, 'me')
  if (taken === null) throw new Error('the lease is held')
  lease = taken
})

afterAll(() => world.close())

const many = 20_000

/** Open deliveries of messages that are there. */
async function openDeliveries(count: number): Promise<DeliveryId[]> {
  const ids = Array.from({ length: count }, () => newId('dlv'))
  await world.sql.query(
    `with message as (
       insert into messages (source_id, sequence, id, project_id, received_at, method, headers, remote_address, body)
       select 'src', d.n, 'msg_' || d.id, $2::text, now(), 'POST', '[]', '::1', ''
         from unnest($1::text[]) with ordinality as d (id, n)
           on conflict do nothing
     )
     insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, status, next_attempt_at,
                             created_at, updated_at)
     select d.id, $2::text, 'src', d.n, 'msg_' || d.id, $3::text, 'pending', now(), now(), now()
       from unnest($1::text[]) with ordinality as d (id, n)`,
    [ids, projectId, endpointId],
  )
  return ids
}

function settlementOf(deliveryId: DeliveryId, kind: 'delivered' | 'failed'): Settlement {
  return {
    attemptId: newId('att'),
    deliveryId,
    lease,
    attemptNumber: 1,
    outcome: {
      startedAt: new Date(),
      durationMs: 1,
      response: null,
      failure: kind === 'failed' ? 'CONNECTION_REFUSED' : null,
      failureDetail: null,
      retryAfter: null,
    },
    decision: { ...(kind === 'failed' ? { kind, isGone: false } : { kind }), throttleMs: null },
    isProbe: false,
  }
}

async function settleSome(sql: Sql, kind: 'delivered' | 'failed'): Promise<void> {
  const batch = (await openDeliveries(10)).map((id) => settlementOf(id, kind))
  const settled = await settle(sql, batch, { instanceId: 'me', lockedRows: 'skip' })
  expect(settled.map(({ status }) => status)).toEqual(Array(10).fill(kind))
}

/** Nobody tells PostgreSQL's planner of it. */
async function growTables(): Promise<void> {
  const fill = (text: string) => world.sql.query(text, [many])
  await fill(
    `insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, status, created_at, updated_at)
     select 'dlv_' || n, 'prj_1', 'src_1', n, 'msg_' || n, 'ept_1', 'delivered', now(), now()
       from generate_series(1, $1::int) as n`,
  )
  await fill(
    `insert into messages (source_id, sequence, id, project_id, received_at, method, headers, remote_address, body)
     select 'src_1', n, 'msg_' || n, 'prj_1', now(), 'POST', '[]', '::1', '' from generate_series(1, $1::int) as n`,
  )
  await fill(
    `insert into endpoint_states (endpoint_id, project_id) select 'ept_' || n, 'prj_1' from generate_series(1, $1::int) as n`,
  )
  await fill(
    `with project as (
       insert into projects (id, name, created_at) select 'prj_' || n, 'p' || n, now() from generate_series(1, $1::int) as n
     ), type as (
       insert into event_types (id, project_id, name, on_violation, is_deprecated, created_at)
       select 'evt_' || n, 'prj_' || n, 'webhook', 'REJECT', false, now() from generate_series(1, $1::int) as n
     )
     insert into sources (id, project_id, name, is_system, token_hash, token_sealed, allowed_methods, max_body_bytes, created_at)
     select 'src_' || n, 'prj_' || n, 'system', true, n::text::bytea, '', '{}', 1, now() from generate_series(1, $1::int) as n`,
  )
}

test('a connection that began with small tables reads no more of them when they have grown', async () => {
  // What is known to fit one page is cheapest read whole.
  await settleSome(world.sql, 'delivered')
  await world.sql.query(`vacuum analyze`)
  const pool = createKeyedPool({ ...world, applicationName: 'test', onError: () => undefined })
  await settleSome(sqlOfPool(pool), 'delivered')
  await settleSome(sqlOfPool(pool), 'failed')
  await growTables()
  const read = await withTransaction(pool, async (sql) => {
    await settleSome(sql, 'delivered')
    await settleSome(sql, 'failed')
    return await sql.query<{ table: string; rows: number }>(
      `select s.relname as table, (coalesce(s.idx_tup_fetch, 0) + s.seq_tup_read)::int as rows
         from pg_stat_xact_user_tables as s
        where s.schemaname = 'public' and s.idx_tup_fetch + s.seq_tup_read > 0`,
    )
  })
  await pool.end()
  expect(read.map(({ table }) => table)).toEqual(expect.arrayContaining(['deliveries', 'endpoint_states', 'messages']))
  for (const { table, rows } of read) expect(rows, table).toBeLessThan(200)
})

test('neither a connection that breaks nor a table that is altered costs an outcome', async () => {
  const log = createLog({ level: 'silent', isPretty: false })
  const pool = createKeyedPool({ ...world, applicationName: 'to break', onError: () => undefined })
  let batches = 0
  const onSettled = () => {
    batches += 1
  }
  const settler = createSettler({ sql: world.sql, keyedSql: sqlOfPool(pool), instanceId: 'me', log, onSettled })
  const settleOne = async () => {
    const [id = newId('dlv')] = await openDeliveries(1)
    expect(await settler.settle(settlementOf(id, 'delivered'))).toMatchObject({ status: 'delivered' })
  }
  const changes = [
    `select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'to break'`,
    `alter table event_types alter column name type varchar`,
    `alter table event_types alter column name type text`,
  ]
  await settleOne()
  for (const change of changes) {
    await world.sql.query(change)
    await settleOne()
    await settleOne()
  }
  expect(batches).toBe(7)
  await pool.end()
})
