import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import pg from 'pg'
import { type WebSocket, WebSocketServer } from 'ws'
import { type ChildProtocol, serveParent, settingsOfParent } from '../rig/child.ts'

/**
 * Floor of `stream-backfill`: reads the gateway's own rows by their cursor, a prepared page of 500 after the other, and
 * sends each as a `ws` frame of the gateway's shape to the one socket that is open. One process; it waits for the socket
 * where the socket is slower.
 */
export interface CursorServerProtocol extends ChildProtocol {
  readonly settings: { readonly databaseUrl: string; readonly sourceId: string }
  readonly ready: { readonly port: number }
  /** How many messages to send, from the first one on. */
  readonly command: { readonly messages: number }
  readonly answer: null
}

const pageRows = 500
const { databaseUrl, sourceId } = settingsOfParent<CursorServerProtocol['settings']>()
const client = new pg.Client({ connectionString: databaseUrl })
await client.connect()
const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
await once(server, 'listening')

serveParent<CursorServerProtocol>({ port: (server.address() as AddressInfo).port }, async ({ messages }) => {
  const [socket] = server.clients
  if (socket === undefined) throw new Error('nobody is there to be sent to')
  for (let sent = 0; sent < messages; ) {
    const { rows } = await client.query<Row>({ ...page, values: [sourceId, sent, pageRows] })
    for (const row of rows.slice(0, messages - sent)) send(socket, row)
    sent += rows.length
    while (socket.bufferedAmount > 0) await new Promise((resolve) => setImmediate(resolve))
  }
  return null
})

interface Row {
  readonly id: string
  readonly sequence: string
  readonly received_at: Date
  readonly content_type: string
  readonly body: Buffer
}

const page = {
  name: 'page',
  text: `
    select m.id, m.sequence, m.received_at, m.content_type, m.body
      from messages as m
     where m.source_id = $1::text
       and m.sequence > $2::bigint
     order by m.sequence
     limit $3::int`,
}

function send(socket: WebSocket, row: Row): void {
  const { id, received_at: receivedAt, content_type: contentType, body } = row
  const message = { id, sequence: Number(row.sequence), receivedAt, contentType, text: body.toString() }
  const messageReceived = { __typename: 'MessageReceived', cursor: `${sourceId}:${row.sequence}`, message }
  socket.send(JSON.stringify({ id: '1', type: 'next', payload: { data: { messageReceived } } }))
}
