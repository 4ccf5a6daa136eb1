import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import WebSocket from 'ws'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { createTestDatabase } from '../support/database.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { createSource } from '../support/graphql-client.ts'
import { until } from '../support/until.ts'

async function start() {
  const database = await createTestDatabase()
  const gateway = await startGatewayProcess({ DATABASE_URL: database.databaseUrl, MASTER_KEYS: generateMasterKey() })
  return { database, gateway, token: gateway.adminToken() }
}

test('on SIGTERM an open request is finished, subscriptions are completed with 1001, and the exit code is 0', async () => {
  const { database, gateway, token } = await start()
  const source = await createSource(gateway.baseUrl, token, { name: 'orders' })
  const socket = await subscribe(gateway.baseUrl, token, source.id)
  const url = new URL(source.ingressUrl)
  const request = connect(Number(url.port), '127.0.0.1')
  request.write(`POST ${url.pathname} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf`)
  const answer = collect(request)
  // The half request is under way once the gateway answers a later one.
  await fetch(`${gateway.baseUrl}/healthz`)

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
  await once(request, 'close')
  expect(answer()).toMatch(/^HTTP\/1\.1 202 /)
  expect(answer()).toContain('"sequence":1')
  expect(await exited).toBe(0)
  await database.drop()
})

test('a second signal ends the process at once', async () => {
  const { database, gateway, token } = await start()
  const source = await createSource(gateway.baseUrl, token, { name: 'orders' })
  const url = new URL(source.ingressUrl)
  const request = connect(Number(url.port), '127.0.0.1')
  request.on('error', () => undefined)
  request.write(`POST ${url.pathname} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf`)
  await fetch(`${gateway.baseUrl}/healthz`)
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
