import { once } from 'node:events'
import { connect, type Socket as NetSocket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import WebSocket from 'ws'
import type { Source } from '../../src/sources/index.ts'
import { until } from '../support/until.ts'
import { overEventStream, overWebSocket, type Subscription } from './client.ts'
import { type Gateway, gatewayOfTest, type Project } from './gateway.ts'
import { openNarrowWay } from './instruments.ts'

interface Frame {
  readonly type: string
  readonly id?: string
}

/** A client that says what it is told to, and hears everything. */
interface Socket {
  readonly frames: Frame[]
  readonly socket: WebSocket
  send(frame: object): void
  init(token: string): Promise<void>
  subscribe(id: string, query: string, variables?: object): void
  readonly closed: Promise<number>
}

async function open(gateway: Gateway): Promise<Socket> {
  const socket = new WebSocket(`${gateway.baseUrl.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  onTestFinished(() => socket.terminate())
  const frames: Frame[] = []
  socket.on('message', (data) => frames.push(JSON.parse(String(data))))
  const closed = once(socket, 'close').then(([code]) => Number(code))
  await once(socket, 'open')
  const send = (frame: object) => socket.send(JSON.stringify(frame))
  return {
    frames,
    socket,
    send,
    closed,
    async init(token) {
      send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } })
      await until(() => frames[0]?.type, 'connection_ack')
    },
    subscribe: (id, query, variables = {}) => send({ type: 'subscribe', id, payload: { query, variables } }),
  }
}

async function start(
  options: { stalledMs?: number } = {},
): Promise<{ gateway: Gateway; project: Project; token: string }> {
  const gateway = await gatewayOfTest(options)
  const project = await gateway.newProject()
  return { gateway, project, token: (await project.key(['admin'])).token }
}

const streamQuery =
  'subscription ($ids: [ID!]!) { messageReceived(sourceIds: $ids) { cursor ... on MessageReceived { message { body } } } }'

test('a client whose key cannot be looked up now is asked to try again later', async () => {
  const { gateway, project } = await start()
  const { token } = await project.key(['read'])
  await gateway.sql.query('alter table api_keys rename to hidden')
  const socket = await open(gateway)
  socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } })
  expect(await socket.closed).toBe(1013)
})

test('a socket closes with 4403 within a second when its key is revoked or expires', async () => {
  const { gateway, project } = await start()
  const revoked = await project.key(['read'])
  const expiring = await project.key(['read'], { expiresAt: new Date(Date.now() + 1_500) })
  const sockets = [await open(gateway), await open(gateway)] as const
  await sockets[0].init(revoked.token)
  await sockets[1].init(expiring.token)
  const startMs = performance.now()
  await project.revoke(revoked.id)
  expect(await sockets[0].closed).toBe(4403)
  expect(performance.now() - startMs).toBeLessThan(1_000)
  expect(await sockets[1].closed).toBe(4403)
  expect(performance.now() - startMs).toBeLessThan(3_500)
})

test('when the server stops, subscriptions complete and sockets close with 1001', async () => {
  const { gateway, project, token } = await start()
  const ids = [(await project.source()).id]
  const socket = await open(gateway)
  await socket.init(token)
  socket.subscribe('1', streamQuery, { ids })
  await until(() => socket.frames.length, 2)
  const events = overEventStream({ ...gateway, token }, streamQuery, { ids })
  await events.next()
  await gateway.graphql.close()
  expect(await socket.closed).toBe(1001)
  expect(socket.frames.at(-1)).toEqual({ id: '1', type: 'complete' })
  expect(await events.next()).toBeNull()
})

test('readers who take nothing are cut off, and asked to come again: over WebSocket and SSE', async () => {
  const { gateway, project, token } = await start({ stalledMs: 500 })
  const source = await project.source()
  const socket = await open(gateway)
  await socket.init(token)
  socket.subscribe('1', streamQuery, { ids: [source.id] })
  await until(() => socket.frames.length, 2)
  const events = await openEventStream(gateway, token, source)
  socket.socket.pause()
  events.pause()
  for (let index = 0; index < 12; index += 1) await project.message(source, { body: Buffer.alloc(2_000_000) })
  await until(() => gateway.connections(), 0)
  socket.socket.resume()
  expect([4408, 1006]).toContain(await socket.closed)
})

/** @returns the connection, when its first event has come. */
async function openEventStream({ baseUrl }: Gateway, token: string, { id }: Source): Promise<NetSocket> {
  const { hostname, port } = new URL(baseUrl)
  const socket = connect(Number(port), hostname)
  onTestFinished(() => void socket.destroy())
  const body = JSON.stringify({ query: streamQuery, variables: { ids: [id] } })
  socket.write(
    `POST /graphql HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\ncontent-type: application/json\r\nauthorization: Bearer ${token}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  await once(socket, 'data')
  return socket
}

test('readers who take large messages slowly get them: over WebSocket and SSE', async () => {
  const { gateway, project, token } = await start({ stalledMs: 3_000 })
  const source = await project.source()
  const way = await openNarrowWay(Number(new URL(gateway.baseUrl).port), 30)
  onTestFinished(way.close)
  const target = { baseUrl: `http://127.0.0.1:${way.port}`, token }
  const streams = [overWebSocket, overEventStream].map((subscribe) =>
    subscribe(target, streamQuery, { ids: [source.id] }),
  )
  for (const stream of streams) await stream.next()
  const body = Buffer.alloc(9_000_000, 7)
  await project.message(source, { body })
  const read = async (stream: Subscription) => {
    const { data } = await stream.next()
    expect(Buffer.from(data.messageReceived.message.body, 'base64').equals(body)).toBe(true)
  }
  await Promise.all(streams.map(read))
  // Clients and gateway share a process that has to pass each byte several times: on a busy machine that takes long.
}, 120_000)

test('a client that is refused cannot hold its connection', async () => {
  const { gateway } = await start()
  const { hostname, port } = new URL(gateway.baseUrl)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  onTestFinished(() => void socket.destroy())
  socket.write(
    'GET /elsewhere HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\r\n',
  )
  const [answer] = await once(socket, 'data')
  expect(String(answer)).toMatch(/^HTTP\/1\.1 404 /)
  await until(() => gateway.connections(), 0, { timeoutMs: 5_000 })
})
