import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import pg from 'pg'
import { PgBoss } from 'pg-boss'
import { type ChildProtocol, serveParent, settingsOfParent } from '../rig/child.ts'
import { portOf, readVerified } from './verified-body.ts'

/**
 * Floor B of `ingest`: floor A and, before the answer, one transaction per request that inserts the message and sends
 * one pg-boss task. Both statements are prepared. One process; nobody works the tasks off, and pg-boss's own
 * maintenance is off, so that nothing else costs time.
 */
export interface TransactionServerProtocol extends ChildProtocol {
  readonly settings: { readonly secret: string; readonly databaseUrl: string; readonly poolSize: number }
  readonly ready: { readonly port: number }
}

const { secret, databaseUrl, poolSize } = settingsOfParent<TransactionServerProtocol['settings']>()
const queue = 'floor'
const insertMessage = {
  name: 'insert-message',
  text: `insert into messages (id, received_at, headers, body)
         values ($1::text, now(), $2::text, $3::bytea)`,
}

const pool = new pg.Pool({ connectionString: databaseUrl, max: poolSize })
await pool.query(
  `create table if not exists messages (
     sequence bigint generated always as identity primary key,
     id text not null, received_at timestamptz not null, headers text not null, body bytea not null)`,
)
const boss = new PgBoss({ connectionString: databaseUrl, max: 2, supervise: false, schedule: false })
await boss.start()
await boss.createQueue(queue)

const server = createServer(async (request, response) => {
  const body = await readVerified(request, secret)
  if (body === null) {
    response.writeHead(401, { 'content-length': 0 }).end()
    return
  }
  await record(request, body)
  response.writeHead(202, { 'content-length': 0 }).end()
})

serveParent<TransactionServerProtocol>({ port: await portOf(server) }, async () => null)

async function record(request: IncomingMessage, body: Buffer): Promise<void> {
  const client = await pool.connect()
  const id = randomUUID()
  try {
    await client.query('begin')
    await client.query({ ...insertMessage, values: [id, JSON.stringify(request.rawHeaders), body] })
    await boss.send(queue, { id }, { db: preparing(client) })
    await client.query('commit')
  } finally {
    client.release()
  }
}

// pg-boss's text for a queue is always the same, so that its statement can be prepared under one name.
function preparing(client: pg.PoolClient) {
  return {
    executeSql: (text: string, values?: unknown[]) => client.query({ name: 'send-task', text, values: values ?? [] }),
  }
}
