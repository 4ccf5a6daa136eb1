import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import WebSocket from 'ws'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { createTestDatabase } from '../support/database.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { createEndpoint, createSource } from '../support/graphql-client.ts'
import { until } from '../support/until.ts'

async function start(environment: Record<string, string> = {}) {
  const database = await createTestDatabase()
  const shared = { DATABASE_URL: database.databaseUrl, MASTER_KEYS: generateMasterKey() }
  const gateway = await startGatewayProcess({ ...shared, ...environment })
  return { database, gateway, token: gateway.adminToken() }
}

test('on SIGTERM an open request is finished, subscriptions are completed with 1001, and the exit code is 0', async () => {
  const { database, gateway, token } = await start()
  const source = await createSource(gateway.baseUrl, token, { name: 'orders' })
  const socket = await subscribe(gateway.baseUrl, token, source.id)
  const request = await halfRequest(source.ingressUrl)
  const answer = collect(request)
  const answered = once(request, 'close')

  const closed = once(socket, 'close')
  const exited = gateway.stop('SIGTERM')
  await until(
    () =>
      fetch(`${gateway.baseUrl}/healthz`).then(
        () => 'answers',
        () => 'refused',
      ),
    'refused',
  )
  expect((await closed)[0]).toBe(1001)
  request.write('+other')
  await answered
  expect(answer()).toMatch(/^HTTP\/1\.1 202 /)
  expect(answer()).toContain('"sequence":1')
  expect(await exited).toBe(0)
  await database.drop()
})

test('a second signal ends the process at once', async () => {
  const { database, gateway, token } = await start()
  const source = await createSource(gateway.baseUrl, token, { name: 'orders' })
  await halfRequest(source.ingressUrl)
  const first = gateway.stop('SIGINT')
  await until(
    () =>
      fetch(`${gateway.baseUrl}/healthz`).then(
        () => 'answers',
        () => 'refused',
      ),
    'refused',
  )
  expect(gateway.isRunning()).toBe(true)
  await gateway.stop('SIGINT')
  expect(await first).toBe(130)
  await database.drop()
})

test('a sender and an endpoint that both hang share the time to stop, and the exit code is 0', async () => {
  const { database, gateway, token } = await start({ SHUTDOWN_TIMEOUT_MS: '3000', ALLOWED_NETWORKS: '127.0.0.0/8' })
  const silent = createServer()
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const address = silent.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const source = await createSource(gateway.baseUrl, token, { name: 'orders' })
  await createEndpoint(gateway.baseUrl, token, { url: `http://127.0.0.1:${port}/` })
  const delivering = once(silent, 'connection')
  expect((await fetch(source.ingressUrl, { method: 'POST', body: 'one' })).status).toBe(202)
  await delivering
  const request = await halfRequest(source.ingressUrl)
  expect(await gateway.stop('SIGTERM')).toBe(0)
  request.destroy()
  silent.close()
  await database.drop()
})

/**
 * A request whose body is not all there. It is under way: the gateway has asked for the body. That it answers a later
 * request on another connection would not tell, and what it has read nothing of it closes when it stops.
 */
async function halfRequest(ingressUrl: string): Promise<Socket> {
  const { port, pathname } = new URL(ingressUrl)
  const request = connect(Number(port), '127.0.0.1')
  request.on('error', () => undefined)
  request.write(`POST ${pathname} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n`)
  expect(String((await once(request, 'data'))[0])).toMatch(/^HTTP\/1\.1 100 /)
  request.write('half')
  return request
}

async function subscribe(baseUrl: string, token: string, sourceId: string): Promise<WebSocket> {
  const socket = new WebSocket(`${baseUrl.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  await once(socket, 'open')
  socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }))
  await once(socket, 'message')
  const query = `subscription { messageReceived(sourceIds: ["${sourceId}"]) { __typename } }`
  socket.send(JSON.stringify({ type: 'subscribe', id: '1', payload: { query } }))
  expect(JSON.parse(String((await once(socket, 'message'))[0]))).toMatchObject({
    type: 'next',
    payload: { data: { messageReceived: { __typename: 'CaughtUp' } } },
  })
  return socket
}

function collect(socket: NodeJS.ReadableStream): () => string {
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  return () => text
}
