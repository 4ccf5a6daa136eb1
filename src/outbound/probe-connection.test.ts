import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createHttps } from 'node:https'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { createAddressGuard } from './address-guard.ts'
import type { Resolve } from './guarded-lookup.ts'
import { createOutbound } from './outbound.ts'
import type { ConnectionProbe } from './probe-connection.ts'

const servers: Server[] = []
const sockets = new Set<Socket>()

afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  sockets.clear()
  for (const server of servers.splice(0)) {
    server.close()
    await once(server, 'close')
  }
})

async function listen(server: Server): Promise<number> {
  servers.push(server.listen(0, '127.0.0.1'))
  server.on('connection', (socket) => sockets.add(socket))
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const certificate = (name: string) =>
  readFileSync(new URL(`../../test/support/certificates/${name}`, import.meta.url), 'utf8')

const toLoopback: Resolve = (_hostname, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }])

interface Probing {
  readonly resolve?: Resolve
  readonly allowsLoopback?: boolean
  readonly timeoutMs?: number
}

async function probe(
  url: string,
  { resolve = toLoopback, allowsLoopback = true, timeoutMs = 5_000 }: Probing = {},
): Promise<ConnectionProbe> {
  const guard = createAddressGuard({ allowedNetworks: [], allowsLoopback })
  const outbound = createOutbound({ guard, resolve, ca: [certificate('authority.pem')] })
  const found = await outbound.probe(url, timeoutMs)
  await outbound.close()
  return found
}

const isDone = { isDone: true, durationMs: expect.any(Number) }

test.each([
  ['good', null],
  ['self-signed', 'TLS_UNTRUSTED'],
  ['wrong-host', 'TLS_WRONG_HOST'],
  ['expired', 'TLS_EXPIRED'],
])('a %s certificate is found out to be %s, and no request is sent', async (name, failure) => {
  let requests = 0
  const server = createHttps({ cert: certificate(`${name}.pem`), key: certificate(`${name}.key`) }, () => {
    requests += 1
  })
  const { lookup, connection, tls } = await probe(`https://receiver.test:${await listen(server)}/`)
  expect({ lookup, connection }).toEqual({ lookup: isDone, connection: isDone })
  if (failure === null) expect(tls).toMatchObject({ ...isDone, protocol: 'TLSv1.3', expiresAt: expect.any(Date) })
  else expect(tls).toMatchObject({ isDone: false, failure, detail: expect.stringMatching(/./) })
  expect(requests).toBe(0)
})

test('over plain http there is a connection, and nothing is written into it', async () => {
  let bytes = 0
  const closed = Promise.withResolvers<void>()
  const server = createServer((socket) => {
    socket.on('data', (chunk) => {
      bytes += chunk.length
    })
    socket.on('close', () => closed.resolve())
  })
  const port = await listen(server)
  expect(await probe(`http://receiver.test:${port}/`)).toEqual({ lookup: isDone, connection: isDone, tls: null })
  await closed.promise
  expect(bytes).toBe(0)
  expect(await probe(`http://127.0.0.1:${port}/`)).toEqual({ lookup: null, connection: isDone, tls: null })
})

test('what is refused is told as refused, without its address, and not connected to', async () => {
  const server = createServer()
  const port = await listen(server)
  const refused = { isDone: false, failure: 'ADDRESS_REFUSED' }
  const named = await probe(`http://receiver.test:${port}/`, { allowsLoopback: false })
  expect(named).toMatchObject({ lookup: refused, connection: null, tls: null })
  expect(JSON.stringify(named)).not.toContain('127.0.0.1')
  const literal = await probe(`http://127.0.0.1:${port}/`, { allowsLoopback: false })
  expect(literal).toMatchObject({ lookup: null, connection: refused, tls: null })
  // The first to arrive is the one that is allowed.
  await probe(`http://127.0.0.1:${port}/`)
  await expect.poll(() => sockets.size).toBe(1)
})

test('with one refused address among good ones none is connected to', async () => {
  const resolve: Resolve = (_hostname, _options, callback) =>
    callback(null, [
      { address: '127.0.0.1', family: 4 },
      { address: '10.0.0.1', family: 4 },
    ])
  const server = createServer()
  const port = await listen(server)
  const found = await probe(`http://receiver.test:${port}/`, { resolve })
  expect(found).toMatchObject({ lookup: { failure: 'ADDRESS_REFUSED' }, connection: null })
  await probe(`http://receiver.test:${port}/`)
  await expect.poll(() => sockets.size).toBe(1)
})

test('a name that does not resolve, and one whose servers do not answer in time', async () => {
  const unknown: Resolve = (_hostname, _options, callback) =>
    callback(Object.assign(new Error('unknown'), { code: 'ENOTFOUND' }), [])
  expect(await probe('https://receiver.test/', { resolve: unknown })).toMatchObject({
    lookup: { failure: 'DNS', detail: 'receiver.test does not resolve (ENOTFOUND)' },
    connection: null,
  })
  const silent = await probe('https://receiver.test/', { resolve: () => undefined, timeoutMs: 50 })
  expect(silent).toEqual({
    lookup: { isDone: false, failure: 'DNS', detail: 'nothing within 50 ms' },
    connection: null,
    tls: null,
  })
})

test('nobody listening, and servers that keep silent, hang up or speak no TLS', async () => {
  const closing = createServer()
  const port = await listen(closing)
  closing.close()
  expect(await probe(`https://receiver.test:${port}/`)).toMatchObject({ connection: { failure: 'CONNECTION_REFUSED' } })
  const silent = await listen(createServer())
  expect(await probe(`https://receiver.test:${silent}/`, { timeoutMs: 100 })).toMatchObject({
    connection: isDone,
    tls: { failure: 'CONNECTION_TIMEOUT', detail: 'nothing within 100 ms' },
  })
  const hangingUp = await listen(createServer((socket) => socket.destroy()))
  expect(await probe(`https://receiver.test:${hangingUp}/`)).toMatchObject({ tls: { failure: 'CONNECTION_RESET' } })
  const plain = await listen(createServer((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n')))
  expect(await probe(`https://receiver.test:${plain}/`)).toMatchObject({ tls: { failure: 'TLS' } })
})
