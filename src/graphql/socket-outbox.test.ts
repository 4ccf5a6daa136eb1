import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { until } from '../../test/support/until.ts'
import { type Outbox, openOutbox, type Sender } from './socket-outbox.ts'

const server = createServer()
const sockets = new WebSocketServer({ server })
beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

interface Ends {
  readonly outbox: Outbox
  readonly transport: Socket
  readonly client: WebSocket
  /** What the client has got. */
  readonly texts: string[]
}

async function open(): Promise<Ends> {
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
  onTestFinished(() => client.terminate())
  const texts: string[] = []
  client.on('message', (data) => texts.push(String(data)))
  const [[socket, request]] = await Promise.all([once(sockets, 'connection'), once(client, 'open')])
  return { outbox: openOutbox(socket, request.socket), transport: request.socket, client, texts }
}

const nobody: Sender = { resume: () => undefined }

function jsonOf(length: number): Buffer {
  return Buffer.from(JSON.stringify('é'.padEnd(length - 3, 'x')))
}

function send({ outbox }: Ends, json: Buffer, { id = '1', isFollowing = false, sender = nobody } = {}): boolean {
  return outbox.sendResult({ start: `{"id":"${id}","payload":`, json, isFollowing }, sender)
}

test('results of every size arrive whole and in order, also among other messages', async () => {
  const ends = await open()
  const sent: string[] = []
  for (const length of [
    10, 90, 97, 98, 99, 100, 1_000, 65_507, 65_508, 65_509, 66_000, 262_144, 300_000, 1_500_000, 20,
  ]) {
    const json = jsonOf(length)
    send(ends, json, { id: 'ü' })
    sent.push(`{"id":"ü","payload":${json}}`)
    void ends.outbox.sendText(`text ${length}`)
    sent.push(`text ${length}`)
  }
  await until(() => ends.texts.length, sent.length)
  expect(ends.texts).toEqual(sent)
})

test('subscriptions that are told the same get it under their own ids', async () => {
  const crowd = [await open(), await open(), await open()]
  const jsons = [jsonOf(500), jsonOf(500), jsonOf(80)]
  const ids = ['aa', 'bb', 'cc', 'longer']
  for (const json of jsons) {
    for (const id of ids) {
      for (const ends of crowd) send(ends, json, { id })
    }
  }
  const wanted = jsons.flatMap((json) => ids.map((id) => `{"id":"${id}","payload":${json}}`))
  for (const { texts } of crowd) await until(() => texts, wanted)
})

test('results that follow each other go out together', async () => {
  const ends = await open()
  send(ends, jsonOf(50))
  for (let index = 0; index < 5; index += 1) send(ends, jsonOf(50), { id: `${index}`, isFollowing: true })
  expect(ends.transport.writableLength).toBeGreaterThan(0)
  await until(() => ends.texts.length, 6)
})

test('who sends to a client that takes nothing is told to wait, and to go on when it takes all', async () => {
  const ends = await open()
  ends.client.pause()
  let resumed = 0
  const sender = {
    resume() {
      resumed += 1
    },
  }
  let sent = 1
  while (send(ends, jsonOf(50_000), { sender })) sent += 1
  expect(ends.outbox.waitingBytes()).toBeGreaterThan(0)
  const taken = ends.outbox.takenBytes()
  expect(resumed).toBe(0)
  ends.client.resume()
  await until(() => resumed, 1)
  expect(ends.outbox.waitingBytes()).toBe(0)
  expect(ends.outbox.takenBytes()).toBeGreaterThan(taken)
  await until(() => ends.texts.length, sent)
})

test('a large message is seen to be taken bit by bit', async () => {
  const ends = await open()
  ends.client.pause()
  send(ends, jsonOf(20_000_000))
  const taken = new Set<number>()
  while (ends.outbox.waitingBytes() > 0) {
    taken.add(ends.outbox.takenBytes())
    ends.client.resume()
    await new Promise(setImmediate)
    ends.client.pause()
  }
  ends.client.resume()
  await until(() => ends.texts.length, 1)
  expect(taken.size).toBeGreaterThan(2)
})

test('nothing more is asked for once the socket closes', async () => {
  const ends = await open()
  expect(send(ends, jsonOf(50))).toBe(true)
  ends.client.close()
  await until(() => send(ends, jsonOf(50)), false)
})
