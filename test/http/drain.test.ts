import { expect, test } from 'vitest'
import type { Route } from '../../src/http/index.ts'
import { openConnection, startServer } from './start-server.ts'

function gated(): { route: Route; open: () => void; entered: Promise<void> } {
  const gate = Promise.withResolvers<void>()
  const entered = Promise.withResolvers<void>()
  const route: Route = {
    template: '/slow',
    methods: 'any',
    async handle({ response, query }) {
      if (query === 'begun') response.write('begun ')
      entered.resolve()
      await gate.promise
      response.end('finished')
    },
  }
  return { route, open: gate.resolve, entered: entered.promise }
}

test('open requests finish with connection: close, idle connections close, no new one is accepted', async () => {
  const { route, open, entered } = gated()
  const { server, port } = await startServer({ routes: [route], drainTimeoutMs: 20_000 })
  const idle = await openConnection(port)
  idle.send('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')
  await idle.receives('"status":"ok"')
  const unused = await openConnection(port)
  const busy = await openConnection(port)
  busy.send('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n')
  await entered

  const drained = server.drain()
  await idle.closed()
  await unused.closed()
  await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow()
  open()
  const answer = await busy.closed()
  expect(answer).toMatch(/^HTTP\/1.1 200 .*connection: close.*finished/is)
  await drained
})

test('an answer that had begun before the drain is finished, then its connection closes', async () => {
  const { route, open, entered } = gated()
  const { server, port } = await startServer({ routes: [route], drainTimeoutMs: 20_000 })
  const busy = await openConnection(port)
  busy.send('GET /slow?begun HTTP/1.1\r\nHost: a\r\n\r\n')
  await entered
  await busy.receives('begun')
  const drained = server.drain()
  open()
  expect(await busy.closed()).toMatch(/finished/)
  await drained
})

test('readiness fails as soon as draining begins, for a request that was on its way', async () => {
  const { server, port } = await startServer({ drainTimeoutMs: 20_000 })
  const connection = await openConnection(port)
  connection.send('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /readyz HTTP/1.1\r\n')
  await connection.receives('"status":"ok"')
  const drained = server.drain()
  connection.send('Host: a\r\n\r\n')
  expect(await connection.closed()).toMatch(/HTTP\/1.1 503 .*connection: close.*"status":"draining"/is)
  await drained
})

test('requests and upgraded sockets that do not end are cut after the time-out', async () => {
  const { route, entered } = gated()
  const { server, port } = await startServer({
    routes: [route],
    drainTimeoutMs: 100,
    upgrade: (_, socket) => void socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\nhello'),
  })
  const hung = await openConnection(port)
  hung.send('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n')
  const webSocket = await openConnection(port)
  webSocket.send('GET /graphql HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  await webSocket.receives('hello')
  await entered
  await server.drain()
  expect(await hung.closed()).toBe('')
  await webSocket.closed()
})

test('draining twice drains once', async () => {
  const { server } = await startServer()
  await Promise.all([server.drain(), server.drain()])
})
