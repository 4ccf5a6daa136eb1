import { expect, test } from 'vitest'
import type { Route } from '../../src/http/index.ts'
import { exchangeBytes, openConnection, startServer } from './start-server.ts'

const upgradeRequest = 'GET /graphql HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

test('a WebSocket’s socket is handed over with what came behind the request', async () => {
  const { port } = await startServer({
    upgrade: (request, socket, head) => void socket.end(`upgraded ${request.url} ${head.toString()}`),
  })
  expect(await exchangeBytes(port, `${upgradeRequest}frame`)).toBe('upgraded /graphql frame')
})

test('an upgrade that throws is answered 500 and harms nobody', async () => {
  const { port, url, line } = await startServer({
    upgrade: () => {
      throw new Error('secret plan')
    },
  })
  const answer = await exchangeBytes(port, upgradeRequest)
  expect(answer).toMatch(/^HTTP\/1.1 500 .*"code":"INTERNAL_ERROR"/s)
  expect(answer).not.toContain('secret plan')
  await line({ msg: 'upgrade failed' })
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
})

test('an upgrade with two Hosts is refused', async () => {
  const { port } = await startServer({ upgrade: (_, socket) => void socket.end('upgraded') })
  const answer = await exchangeBytes(port, upgradeRequest.replace('Host: a', 'Host: a\r\nHost: b'))
  expect(answer).toMatch(/^HTTP\/1.1 400 .*"code":"DUPLICATE_HEADER"/s)
})

test('an upgraded socket that is reset ends nothing but itself', async () => {
  const { port, url, line } = await startServer({ upgrade: (_, socket) => void socket.write('hello') })
  const connection = await openConnection(port)
  connection.send(upgradeRequest)
  await connection.receives('hello')
  connection.socket.resetAndDestroy()
  await line({ msg: 'upgraded socket failed' })
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
})

test('a client that offers HTTP/2 on an ordinary request is answered in HTTP/1.1', async () => {
  const echo: Route = {
    template: '/in/:token',
    methods: ['POST'],
    handle: ({ request, response }) => void request.pipe(response),
  }
  const { port } = await startServer({ routes: [echo], upgrade: (_, socket) => void socket.end('upgraded') })
  const connection = await openConnection(port)
  connection.send(
    'POST /in/a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n' +
      'HTTP2-Settings: AAMAAABk\r\nContent-Length: 5\r\n\r\nhello',
  )
  expect(await connection.receives('hello')).toMatch(/^HTTP\/1.1 200 OK/)
})

test('without an upgrade handler a WebSocket’s request is an ordinary one', async () => {
  const { port } = await startServer()
  const connection = await openConnection(port)
  connection.send(upgradeRequest)
  expect(await connection.receives('NOT_FOUND')).toMatch(/^HTTP\/1.1 404 /)
})
