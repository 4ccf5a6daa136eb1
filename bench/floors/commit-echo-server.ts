import { createServer } from 'node:http'
import pg from 'pg'
import { type WebSocket, WebSocketServer } from 'ws'
import { type ChildProtocol, serveParent, settingsOfParent } from '../rig/child.ts'
import { portOf } from './verified-body.ts'

/**
 * Floor of `stream`'s latency: one prepared insert with its commit, then one `ws` frame to one socket. One process; a
 * pool of 10, which is more than 200 requests a second keep busy.
 */
export interface CommitEchoServerProtocol extends ChildProtocol {
  readonly settings: { readonly databaseUrl: string }
  readonly ready: { readonly port: number }
}

const { databaseUrl } = settingsOfParent<CommitEchoServerProtocol['settings']>()
const pool = new pg.Pool({ connectionString: databaseUrl, max: 10 })
await pool.query(
  `create table messages (
     sequence bigint generated always as identity primary key,
     received_at timestamptz not null, headers text not null, body bytea not null)`,
)
const insertMessage = {
  name: 'insert-message',
  text: `insert into messages (received_at, headers, body) values (now(), $1::text, $2::bytea)`,
}
const sockets = new Set<WebSocket>()
let sequence = 0

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', async () => {
    const body = Buffer.concat(chunks)
    await pool.query({ ...insertMessage, values: [JSON.stringify(request.rawHeaders), body] })
    sequence += 1
    const frame = JSON.stringify({ sequence, text: body.toString() })
    for (const socket of sockets) {
      socket.send(frame)
    }
    response.writeHead(202, { 'content-length': 0 }).end()
  })
})
new WebSocketServer({ server, perMessageDeflate: false }).on('connection', (socket) => sockets.add(socket))

serveParent<CommitEchoServerProtocol>({ port: await portOf(server) }, async () => null)
