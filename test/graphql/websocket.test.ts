import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import WebSocket from 'ws'
import { until } from '../support/until.ts'
import { overEventStream, overWebSocket } from './client.ts'
import { type Gateway, gatewayOfTest, type Project } from './gateway.ts'
import { openNarrowWay } from './instruments.ts'

interface Frame {
  readonly type: string
  readonly id?: string
  readonly payload?: { readonly extensions?: { readonly code: string } }[] & { data?: Record<string, unknown> }
}

/** A client that says what it is told to, and hears everything. */
interface Socket {
  readonly frames: Frame[]
  readonly socket: WebSocket
  send(frame: object | string): void
  init(token: string): Promise<void>
  subscribe(id: string, query: string, variables?: object): void
  closed: Promise<{ code: number; reason: string }>
}

async function open(
  gateway: Gateway,
  options: WebSocket.ClientOptions = {},
  protocols: string[] = ['graphql-transport-ws'],
): Promise<Socket> {
  const socket = new WebSocket(`${gateway.baseUrl.replace('http', 'ws')}/graphql`, protocols, options)
  onTestFinished(() => socket.terminate())
  const frames: Frame[] = []
  socket.on('message', (data) => frames.push(JSON.parse(String(data))))
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once('close', (code, reason) => resolve({ code, reason: String(reason) }))
  })
  await once(socket, 'open')
  const send = (frame: object | string) => socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame))
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

test('a socket without a key closes with 4401, with one that does not hold 4403', async () => {
  const { gateway, token } = await start()
  const none = await open(gateway)
  none.send({ type: 'connection_init' })
  expect((await none.closed).code).toBe(4401)
  const bad = await open(gateway)
  bad.send({ type: 'connection_init', payload: { authorization: 'Bearer hk_nonsense' } })
  expect((await bad.closed).code).toBe(4403)
  const header = await open(gateway, { headers: { authorization: `Bearer ${token}` } })
  header.send({ type: 'connection_init' })
  await until(() => header.frames[0]?.type, 'connection_ack')
})

test('a client whose key cannot be looked up now is asked to try again later', async () => {
  const { gateway, project } = await start()
  const { token } = await project.key(['read'])
  await gateway.sql.query('alter table api_keys rename to hidden')
  const socket = await open(gateway)
  socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } })
  expect((await socket.closed).code).toBe(1013)
})

test('the protocol is kept to: its close codes are those of graphql-transport-ws', async () => {
  const { gateway, token } = await start()
  const code = async (talk: (socket: Socket) => unknown, protocols?: string[]) => {
    const socket = await open(gateway, {}, protocols)
    await talk(socket)
    return (await socket.closed).code
  }
  expect(await code((socket) => socket.send('nonsense'))).toBe(4400)
  expect(await code((socket) => socket.subscribe('1', '{ viewer { id } }'))).toBe(4401)
  expect(await code(() => undefined, [])).toBe(4406)
  expect(
    await code(async (socket) => {
      await socket.init(token)
      socket.send({ type: 'connection_init' })
    }),
  ).toBe(4429)
  expect(
    await code(async (socket) => {
      await socket.init(token)
      socket.subscribe('1', 'subscription { deliveryUpdated { id } }')
      socket.subscribe('1', 'subscription { deliveryUpdated { id } }')
    }),
  ).toBe(4409)
  expect(await code((socket) => socket.send('x'.repeat(1_100_000)))).toBe(1009)
  expect(await code(() => undefined)).toBe(4408)
})

test('queries and mutations go over the socket as well', async () => {
  const { gateway, project, token } = await start()
  const socket = await open(gateway)
  await socket.init(token)
  socket.subscribe('1', '{ project { id } }')
  await until(() => socket.frames.slice(1), [
    { id: '1', type: 'next', payload: { data: { project: { id: project.id } } } },
    { id: '1', type: 'complete' },
  ] as unknown as Frame[])
})

test.each([
  ['a syntax error', '{', 'BAD_USER_INPUT'],
  ['an unknown field', '{ nonsense }', 'BAD_USER_INPUT'],
  ['a query that is too large', `{ ${'a '.repeat(5_000)} }`, 'QUERY_TOO_LARGE'],
  ['NUL', '{ source(by: { name: "\\u0000" }) { id } }', 'BAD_USER_INPUT'],
])('%s is answered with an error, and the socket stays', async (_name, query, code) => {
  const { gateway, token } = await start()
  const socket = await open(gateway)
  await socket.init(token)
  socket.subscribe('1', query)
  await until(() => socket.frames[1]?.payload?.[0]?.extensions?.code, code)
  expect(socket.frames[1]?.type).toBe('error')
  socket.subscribe('2', '{ viewer { name } }')
  await until(() => socket.frames[2]?.payload?.data, { viewer: { name: 'test' } })
})

test('a socket carries a hundred subscriptions, not more', async () => {
  const { gateway, project, token } = await start()
  const ids = [(await project.source()).id]
  const socket = await open(gateway)
  await socket.init(token)
  for (let index = 0; index < 101; index += 1) socket.subscribe(`${index}`, streamQuery, { ids })
  await until(() => socket.frames.filter((frame) => frame.type === 'next').length, 100)
  expect(socket.frames.find((frame) => frame.id === '100')).toMatchObject({
    type: 'error',
    payload: [{ extensions: { code: 'QUERY_TOO_LARGE' } }],
  })
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
  expect((await sockets[0].closed).code).toBe(4403)
  expect(performance.now() - startMs).toBeLessThan(1_000)
  expect((await sockets[1].closed).code).toBe(4403)
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
  expect((await socket.closed).code).toBe(1001)
  expect(socket.frames.at(-1)).toEqual({ id: '1', type: 'complete' })
  expect(await events.next()).toBeNull()
})

test('a reader that takes nothing is cut off, and asked to come again', async () => {
  const { gateway, project, token } = await start({ stalledMs: 500 })
  const source = await project.source()
  const socket = await open(gateway)
  await socket.init(token)
  socket.subscribe('1', streamQuery, { ids: [source.id] })
  await until(() => socket.frames.length, 2)
  socket.socket.pause()
  for (let index = 0; index < 12; index += 1) await project.message(source, { body: Buffer.alloc(2_000_000) })
  await until(() => gateway.connections().then((open) => open), 0)
  socket.socket.resume()
  expect([4408, 1006]).toContain((await socket.closed).code)
})

test.each([
  ['WebSocket', overWebSocket],
  ['SSE', overEventStream],
])('a reader over %s who takes large messages slowly gets them', async (_name, subscribe) => {
  const { gateway, project, token } = await start({ stalledMs: 1_500 })
  const source = await project.source()
  const way = await openNarrowWay(Number(new URL(gateway.baseUrl).port))
  onTestFinished(way.close)
  const stream = subscribe({ baseUrl: `http://127.0.0.1:${way.port}`, token }, streamQuery, { ids: [source.id] })
  await stream.next()
  const body = Buffer.alloc(9_000_000, 7)
  for (let index = 0; index < 2; index += 1) await project.message(source, { body })
  for (let index = 0; index < 2; index += 1) {
    const { data } = await stream.next()
    expect(Buffer.from(data.messageReceived.message.body, 'base64').equals(body)).toBe(true)
  }
})

test('a reader of an event stream that takes nothing is cut off as well', async () => {
  const { gateway, project, token } = await start({ stalledMs: 500 })
  const source = await project.source()
  const { hostname, port } = new URL(gateway.baseUrl)
  const socket = connect(Number(port), hostname)
  onTestFinished(() => void socket.destroy())
  const body = JSON.stringify({ query: streamQuery, variables: { ids: [source.id] } })
  socket.write(
    `POST /graphql HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\ncontent-type: application/json\r\nauthorization: Bearer ${token}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  await once(socket, 'data')
  socket.pause()
  for (let index = 0; index < 12; index += 1) await project.message(source, { body: Buffer.alloc(2_000_000) })
  await until(() => gateway.connections(), 0)
})

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

test('pages of other origins cannot connect', async () => {
  const { gateway } = await start()
  const rejected = async (origin: string) => {
    const socket = new WebSocket(`${gateway.baseUrl.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { origin })
    onTestFinished(() => socket.terminate())
    const [result] = await Promise.race([
      once(socket, 'unexpected-response').then(([, response]) => [response.statusCode]),
      once(socket, 'open'),
    ])
    return result ?? 'open'
  }
  expect(await rejected('https://elsewhere.example')).toBe(403)
  expect(await rejected('null')).toBe(403)
  expect(await rejected(gateway.baseUrl)).toBe('open')
  expect(await rejected('https://hooks.example')).toBe('open')
})
