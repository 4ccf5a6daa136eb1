import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { promisify } from 'node:util'
import { EventSource } from 'undici'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Gateway, gatewayOfTest, startGateway } from '../graphql/gateway.ts'
import { openNarrowWay } from '../graphql/instruments.ts'
import { openEventStream } from '../support/event-stream.ts'
import { until } from '../support/until.ts'
import { newReader, record, textsOf, ticketUrl } from './stream-reader.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.close())

describe('a slow reader', () => {
  const large = Buffer.alloc(2_000_000, 'x')

  test('who takes nothing is cut off, and the others are not held up', async () => {
    const own = await gatewayOfTest({ stalledMs: 500 })
    const { project, token, open, source } = await newReader(own)
    const { hostname, port } = new URL(own.baseUrl)
    const socket = connect(Number(port), hostname)
    onTestFinished(() => void socket.destroy())
    socket.write(`GET /stream?source=${source.name} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n\r\n`)
    await once(socket, 'data')
    socket.pause()
    const live = await open(`source=${source.name}`)
    await live.next()
    for (let index = 0; index < 6; index += 1) {
      await project.message(source, { body: large })
      expect((await live.next())?.data.bodyBytes).toBe(large.length)
    }
    await until(() => own.accessLog.map(({ endedBy }) => endedBy), ['stalled'])
    expect(await own.connections()).toBe(1)
    await record(project, source, ['on'])
    expect(await textsOf(live, 1)).toEqual(['on'])
  })

  test('who takes large messages bit by bit gets them whole', async () => {
    const own = await gatewayOfTest({ stalledMs: 3_000, heartbeatMs: 20 })
    const { project, headers, source } = await newReader(own)
    const way = await openNarrowWay(Number(new URL(own.baseUrl).port))
    onTestFinished(way.close)
    const stream = await openEventStream(`http://127.0.0.1:${way.port}/stream?source=${source.name}`, headers)
    await stream.next()
    const bodies = [9_000_000, 1_000_000].map((bytes) => Buffer.alloc(bytes, 0xff))
    for (const body of bodies) await project.message(source, { body })
    for (const body of bodies) {
      const event = await stream.next()
      expect(Buffer.from(event?.data.body, 'base64').equals(body)).toBe(true)
    }
  })

  test('whose key is revoked is cut off at once, also while it takes nothing', async () => {
    const own = await gatewayOfTest()
    const { project, token, keyId, source } = await newReader(own)
    const { hostname, port } = new URL(own.baseUrl)
    const socket = connect(Number(port), hostname)
    onTestFinished(() => void socket.destroy())
    socket.write(`GET /stream?source=${source.name} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n\r\n`)
    await once(socket, 'data')
    socket.pause()
    for (let index = 0; index < 6; index += 1) await project.message(source, { body: large })
    await project.revoke(keyId)
    await until(() => own.accessLog.map(({ endedBy }) => endedBy), ['key-ended'], { timeoutMs: 2_000 })
  })
})

describe('with the clients that people have', () => {
  test('EventSource', async () => {
    const { project, token, source } = await newReader(gateway)
    const events = new EventSource(await ticketUrl(gateway, token, [source.id]))
    onTestFinished(() => events.close())
    const received: unknown[] = []
    for (const type of ['message', 'caught-up']) {
      events.addEventListener(type, (event) => {
        const { data, lastEventId } = event as MessageEvent
        received.push([type, JSON.parse(data).text, lastEventId === JSON.parse(data).cursor])
      })
    }
    await until(() => received.length, 1)
    await record(project, source, ['one', 'two'])
    await until(
      () => received,
      [
        ['caught-up', undefined, true],
        ['message', 'one', true],
        ['message', 'two', true],
      ],
    )
  })

  test('curl -N', async () => {
    const { project, token, source } = await newReader(gateway)
    await record(project, source, ['one'])
    const url = `${gateway.baseUrl}/stream?source=${source.name}&since=2026-01-01T00:00:00+01:00`
    const failure = await promisify(execFile)('curl', [
      '-sN',
      '-m',
      '1',
      '-H',
      `Authorization: Bearer ${token}`,
      url,
    ]).catch((error: { code: number; stdout: string }) => error)
    expect(failure).toMatchObject({ code: 28 })
    expect(failure.stdout).toMatch(
      /^retry: 2000\nid: [\w-]+\n\nid: [\w-]+\nevent: message\ndata: \{.*"text":"one".*\}\n\nid: /,
    )
  })
})
