import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Server } from 'graphql-ws'
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { until } from '../../test/support/until.ts'
import { createLog } from '../kernel/log.ts'
import { type Connection, openConnection } from './socket-connection.ts'
import type { SocketExtra } from './websocket.ts'

const server = createServer()
const sockets = new WebSocketServer({ server })
const log = createLog({ level: 'silent', isPretty: false })
beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})
afterEach(() => vi.useRealTimers())

interface Ends {
  readonly connection: Connection
  readonly client: WebSocket
  readonly transport: Socket
  /** How many messages were handled. */
  handled(): number
}

/** @param answer to each message of the client, when it has come about. */
async function open(answer: string | Promise<string>): Promise<Ends> {
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
  onTestFinished(() => client.terminate())
  const [[socket, request]] = await Promise.all([once(sockets, 'connection'), once(client, 'open')])
  let handled = 0
  const protocol: Pick<Server<SocketExtra>, 'opened'> = {
    opened({ onMessage, send }) {
      onMessage(async () => {
        handled += 1
        await send(await answer)
      })
      return async () => undefined
    },
  }
  const connection = openConnection({ socket, transport: request.socket, stalledMs: 30_000, log })
  connection.run(protocol as Server<SocketExtra>, { requestId: 'req_1' } as SocketExtra)
  return { connection, client, transport: request.socket, handled: () => handled }
}

const megabyte = 'x'.repeat(1_000_000)

test('a client that takes no answers is not listened to either, until it takes them', async () => {
  const { client, transport, handled } = await open(megabyte)
  let answers = 0
  client.on('message', () => {
    answers += 1
  })
  client.pause()
  for (let index = 0; index < 100; index += 1) client.send('{"type":"ping"}'.padEnd(100_000))
  await until(() => transport.isPaused(), true)
  expect(handled()).toBeLessThan(50)
  client.resume()
  await until(() => answers, 100)
})

test('a client that takes nothing is told to resume; it is not cut off before because it answers no ping', async () => {
  const { connection, client, transport } = await open(megabyte)
  client.pause()
  for (let index = 0; index < 20; index += 1) client.send('{"type":"ping"}')
  await until(() => transport.writableLength > 0, true)
  vi.useFakeTimers({ toFake: ['Date'] })
  for (let second = 1; second <= 32; second += 1) {
    vi.advanceTimersByTime(1_000)
    connection.tick()
  }
  client.resume()
  const [code, reason] = await once(client, 'close')
  expect([code, String(reason)]).toEqual([4408, 'resume'])
})

test('a client is not listened to while very many of its messages are being handled', async () => {
  const answer = Promise.withResolvers<string>()
  const { client, transport, handled } = await open(answer.promise)
  for (let index = 0; index < 1_000; index += 1) client.send(`{"type":"subscribe","id":"${index}"}`.padEnd(10_000))
  await until(() => transport.isPaused(), true)
  expect(handled()).toBeLessThan(300)
  answer.resolve('done')
  await until(handled, 1_000)
})

test('what waits for the end of another operation does not begin when the socket is gone', async () => {
  const answer = Promise.withResolvers<string>()
  const { connection, client, handled } = await open(answer.promise)
  for (const type of ['subscribe', 'complete', 'subscribe']) client.send(JSON.stringify({ type, id: '1' }))
  await until(handled, 2)
  client.terminate()
  await connection.gone
  answer.resolve('done')
  await new Promise(setImmediate)
  expect(handled()).toBe(2)
})
