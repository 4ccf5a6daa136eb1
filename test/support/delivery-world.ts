import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Pool } from 'pg'
import { Registry } from 'prom-client'
import { createKeyedPool, createPool } from '../../src/db/pool.ts'
import { type Sql, sqlOfPool, withTransaction } from '../../src/db/sql.ts'
import { createDeliveries, type DeliveriesDeps, drainTask, maintainTask } from '../../src/deliveries/index.ts'
import { createEndpointDirectory, purgeEndpoint } from '../../src/endpoints/index.ts'
import { type EndpointId, newId, type ProjectId, type SourceId } from '../../src/kernel/ids.ts'
import { createLog } from '../../src/kernel/log.ts'
import { createEpochs } from '../../src/live/epoch.ts'
import { createMemoryBus } from '../../src/live/memory-bus.ts'
import { fanOutTask } from '../../src/messages/index.ts'
import { runOperation } from '../../src/operations/index.ts'
import { createAddressGuard } from '../../src/outbound/address-guard.ts'
import { createOutbound } from '../../src/outbound/outbound.ts'
import type { RateLimit } from '../../src/projects/limits.ts'
import { createTaskQueue, type TaskQueue } from '../../src/queue/index.ts'
import { retainTask } from '../../src/retention/index.ts'
import { createSealer, generateMasterKey, parseMasterKeys } from '../../src/secrets/index.ts'
import { generateSecret } from '../../src/signatures/standard-webhooks.ts'
import { purgeSource } from '../../src/sources/purge-source.task.ts'
import { recordSystemEvents } from '../../src/system-events/index.ts'
import { createTestDatabase } from './database.ts'

/** What an endpoint does that was told nothing. */
const untold = {
  /** The waits before each retry; null: the standard ones. */
  retryDelaysMs: null as readonly number[] | null,
  rateLimit: null as RateLimit | null,
  maxConcurrency: null as number | null,
  isOrdered: false,
  disableAfterHours: null as number | null,
}

/** A project on a database of its own, workers that deliver, and receivers to deliver to. */
export type DeliveryWorld = Awaited<ReturnType<typeof createDeliveryWorld>>

export interface ReceivedRequest {
  readonly method: string
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
  readonly path: string
}

export interface Receiver {
  readonly url: string
  readonly requests: ReceivedRequest[]
  close(): Promise<void>
}

export type Answer = (response: ServerResponse, request: ReceivedRequest, count: number) => void

const log = createLog({ level: 'silent', isPretty: false })
const tasks = [
  fanOutTask,
  drainTask,
  maintainTask,
  purgeSource,
  purgeEndpoint,
  retainTask,
  runOperation,
  recordSystemEvents,
]

export async function createDeliveryWorld() {
  const database = await createTestDatabase()
  const poolOptions = { ...database, applicationName: 'test', onError: () => undefined }
  const pool = createPool({ ...poolOptions, max: 20 })
  const keyedPool = createKeyedPool(poolOptions)
  const sql = sqlOfPool(pool)
  const masterKeys = parseMasterKeys(generateMasterKey())
  if (!masterKeys.ok) throw new Error(masterKeys.problems.join())
  const sealer = createSealer(masterKeys.keys)
  const bus = createMemoryBus()
  const epochs = createEpochs({ sql, bus, log })
  /** Of workers and receivers. */
  const closers: (() => Promise<void>)[] = []
  const producer = createTaskQueue({ pool, log, metrics: new Registry(), bus })
  await producer.start(tasks)

  async function startWorker(options: Partial<DeliveriesDeps> & { graceMs?: number } = {}) {
    const metrics = new Registry()
    const graceMs = options.graceMs ?? 100
    const queue = createTaskQueue({ pool, log, metrics, bus, graceMs })
    await queue.start(tasks)
    const guard = createAddressGuard({ allowedNetworks: [], allowsLoopback: true })
    const outbound = createOutbound({ guard })
    const endpoints = createEndpointDirectory({ sql, sealer, epochs })
    const instanceId = newId('run')
    const base = { pool, keyedPool, queue, outbound, endpoints, bus, log, metrics, instanceId, version: '1.2.3' }
    const deliveries = createDeliveries({ ...base, promoteIntervalMs: 50, ...options })
    deliveries.start()
    let stopping: Promise<void> | null = null
    const stopAll = async () => {
      await deliveries.stop()
      await queue.stop()
      await outbound.close()
    }
    const stop = () => {
      stopping ??= stopAll()
      return stopping
    }
    closers.push(stop)
    return { queue, metrics, instanceId, stop }
  }

  async function startReceiver(answer: Answer = (response) => response.end()): Promise<Receiver> {
    const receiver = await listen(answer)
    closers.push(receiver.close)
    return receiver
  }

  /** Stops workers and receivers. */
  async function stopAll(): Promise<void> {
    for (const close of closers.splice(0).reverse()) await close()
  }

  return {
    databaseUrl: database.databaseUrl,
    pool,
    keyedPool,
    sql,
    bus,
    epochs,
    queue: producer,
    startWorker,
    startReceiver,
    ...createRows({ sql, pool, queue: producer, seal: sealer.seal }),
    /** As if it were new, in a tenth of the time. */
    async reset() {
      await stopAll()
      await sql.query(`delete from pgboss.job`)
      await sql.query(
        `truncate projects, sources, source_heads, fan_out_marks, messages, claims, refusals, endpoints, endpoint_states,
                  secrets, deliveries, attempts, operations, stream_tickets, fresh_counts, rollups, system_events cascade`,
      )
    },
    async close() {
      await stopAll()
      await producer.stop()
      epochs.close()
      await bus.close()
      await Promise.all([pool.end(), keyedPool.end()])
      await database.drop()
    },
  }
}

function createRows(deps: { sql: Sql; pool: Pool; queue: TaskQueue; seal: ReturnType<typeof createSealer>['seal'] }) {
  const { sql, pool, queue } = deps
  return {
    async createProject(): Promise<ProjectId> {
      const id = newId('prj')
      await sql.query(`insert into projects (id, name, created_at) values ($1, $1, now())`, [id])
      return id
    },
    async createSource(projectId: ProjectId): Promise<SourceId> {
      const id = newId('src')
      await sql.query(`insert into source_heads (source_id, project_id, log_epoch) values ($1, $2, 'e')`, [
        id,
        projectId,
      ])
      await sql.query(`insert into fan_out_marks (source_id) values ($1)`, [id])
      return id
    },
    async createEndpoint(
      projectId: ProjectId,
      url: string,
      sourceIds: SourceId[] | null = null,
      told: Partial<typeof untold> = {},
    ) {
      const id = newId('ept')
      const secret = generateSecret()
      const secretId = newId('sec')
      const { retryDelaysMs, rateLimit, maxConcurrency, isOrdered, disableAfterHours } = { ...untold, ...told }
      await sql.query(
        `insert into endpoints (id, project_id, url, source_ids, created_at, retry_delays_ms, jitter_percent, rate_limit,
                                max_concurrency, is_ordered, disable_after_hours)
         values ($1, $2, $3, $4, now(), $5, 0, $6, $7, $8, $9)`,
        [id, projectId, url, sourceIds, retryDelaysMs, rateLimit, maxConcurrency, isOrdered, disableAfterHours],
      )
      await sql.query(`insert into secrets (id, owner_id, sealed, hint, created_at) values ($1, $2, $3, '', now())`, [
        secretId,
        id,
        deps.seal(secret, { table: 'secrets', rowId: secretId }),
      ])
      await sql.query(`insert into endpoint_states (endpoint_id, project_id) values ($1, $2)`, [id, projectId])
      return { id, secret }
    },
    /** What the recorder does: messages, head and task in one transaction. */
    async publish(sourceId: SourceId, count = 1, message: Partial<{ body: Buffer; contentType: string }> = {}) {
      const ids = await withTransaction(pool, (transaction) => record(queue, transaction, { sourceId, count, message }))
      queue.wake(fanOutTask)
      return ids
    },
    deliveries: () =>
      sql.query<{ id: string; message_id: string; endpoint_id: EndpointId; status: string; attempt_count: number }>(
        `select id, message_id, endpoint_id, status, attempt_count from deliveries order by id`,
      ),
    attempts: () =>
      sql.query<{ delivery_id: string; number: number; status: number | null; failure: string | null }>(
        `select delivery_id, number, status, failure from attempts order by id`,
      ),
    async statuses(): Promise<Record<string, number>> {
      const rows = await sql.query<{ status: string; count: number }>(
        `select status, count(*)::int as count from deliveries group by status`,
      )
      return Object.fromEntries(rows.map((row) => [row.status, row.count]))
    },
  }
}

export async function record(
  queue: TaskQueue,
  sql: Sql,
  {
    sourceId,
    count = 1,
    message = {},
  }: { sourceId: SourceId; count?: number; message?: Partial<{ body: Buffer; contentType: string }> },
): Promise<string[]> {
  const [head] = await sql.query<{ project_id: string; last_sequence: number; log_bytes: number }>(
    `select project_id, last_sequence, log_bytes from source_heads where source_id = $1 for no key update`,
    [sourceId],
  )
  if (head === undefined) throw new Error('no such source')
  const ids = Array.from({ length: count }, () => newId('msg'))
  const body = message.body ?? Buffer.from('{}')
  await sql.query(
    `insert into messages (source_id, sequence, id, project_id, received_at, method, headers, content_type,
                           remote_address, body, log_bytes)
     select $1, $2::bigint + place, id, $3, now(), 'POST', '[]', $5, '127.0.0.1', $6, $7::bigint + place * $8::bigint
       from unnest($4::text[]) with ordinality as m (id, place)`,
    [
      sourceId,
      head.last_sequence,
      head.project_id,
      ids,
      message.contentType ?? null,
      body,
      head.log_bytes,
      body.length,
    ],
  )
  await sql.query(
    `update source_heads set last_sequence = last_sequence + $2, log_bytes = log_bytes + $3 where source_id = $1`,
    [sourceId, count, count * body.length],
  )
  await queue.enqueue(sql, fanOutTask, [{ payload: { sourceId }, singletonKey: sourceId }])
  return ids
}

async function listen(answer: Answer): Promise<Receiver> {
  const requests: ReceivedRequest[] = []
  const server: Server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { method = '', headers, url = '' } = request
    const received = { method, headers, body: Buffer.concat(chunks), path: url }
    requests.push(received)
    answer(response, received, requests.length)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/hook`,
    requests,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Waits for a state. @throws what the last check threw, after 20 s. */
export async function until(check: () => Promise<void> | void): Promise<void> {
  const endMs = performance.now() + 20_000
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (performance.now() > endMs) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
