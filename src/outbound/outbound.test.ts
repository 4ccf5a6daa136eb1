import type { LookupAddress } from 'node:dns'
import { once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createAddressGuard } from './address-guard.ts'
import type { Resolve } from './guarded-lookup.ts'
import { createOutbound, type Outbound, type OutboundOptions, type OutboundRequest } from './outbound.ts'

const strict = createAddressGuard({ allowedNetworks: [], allowsLoopback: false })
const local = createAddressGuard({ allowedNetworks: [], allowsLoopback: true })

const releasers: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const release of releasers.splice(0).reverse()) await release()
})

function outboundWith(options: Partial<OutboundOptions> = {}): Outbound {
  const outbound = createOutbound({ guard: local, ...options })
  releasers.push(() => outbound.close())
  return outbound
}

/** Listens on a free port of 127.0.0.1 and counts connections. */
async function listen(server: net.Server): Promise<{ port: number; connections: () => number }> {
  const sockets = new Set<net.Socket>()
  let count = 0
  server.on('connection', (socket: net.Socket) => {
    count += 1
    sockets.add(socket)
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  releasers.push(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return { port: (server.address() as AddressInfo).port, connections: () => count }
}

async function receiver(handler: http.RequestListener): Promise<string> {
  return `http://127.0.0.1:${(await listen(http.createServer(handler))).port}/hooks`
}

/** A receiver that writes raw bytes once a request arrives. */
async function rawReceiver(answer: (socket: net.Socket) => void): Promise<string> {
  const server = net.createServer((socket) => socket.once('data', () => answer(socket)))
  return `http://127.0.0.1:${(await listen(server)).port}/`
}

function post(url: string, more: Partial<OutboundRequest> = {}): OutboundRequest {
  return { url, method: 'POST', headers: [], body: Buffer.from('{}'), timeoutMs: 10_000, ...more }
}

const resolvingTo =
  (...addresses: string[]): Resolve =>
  (_hostname, _options, callback) => {
    const found: LookupAddress[] = addresses.map((address) => ({ address, family: net.isIP(address) }))
    callback(null, found)
  }

describe('answers', () => {
  test('a 2xx answer is a success and recorded byte for byte', async () => {
    const seen: { method: string | undefined; headers: string[]; body: Buffer }[] = []
    const url = await receiver(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk)
      seen.push({ method: request.method, headers: request.rawHeaders, body: Buffer.concat(chunks) })
      response.writeHead(201, { 'X-Reply': 'a', 'Set-Cookie': ['x=1', 'y=2'] }).end(Buffer.from([0xff, 0x00]))
    })
    const body = Buffer.from([0x00, 0xfe, 0x80])
    const headers: [string, string][] = [
      ['X-One', '1'],
      ['X-Many', 'a'],
      ['X-Many', 'b'],
      ['Accept-Encoding', 'gzip'],
    ]
    const before = Date.now()
    const outcome = await outboundWith().request(post(url, { headers, body }))

    expect(outcome).toMatchObject({ failure: null, failureDetail: null, retryAfter: null })
    expect(outcome.response).toMatchObject({ status: 201, isTruncated: false, announcedBytes: null })
    expect(outcome.response?.body).toEqual(Buffer.from([0xff, 0x00]))
    expect(outcome.response?.headers).toEqual(
      expect.arrayContaining([
        ['X-Reply', 'a'],
        ['Set-Cookie', 'x=1'],
        ['Set-Cookie', 'y=2'],
      ]),
    )
    expect(outcome.startedAt.getTime()).toBeGreaterThanOrEqual(before)
    expect(outcome.durationMs).toBeGreaterThan(0)
    expect(seen).toHaveLength(1)
    expect(seen[0]?.body).toEqual(body)
    expect(seen[0]?.headers.join('\n')).toContain('X-One\n1\nX-Many\na\nX-Many\nb')
    expect(seen[0]?.headers.join('\n')).toContain('accept-encoding\nidentity')
    expect(seen[0]?.headers).not.toContain('gzip')
  })

  test.each(['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE'] as const)('%s works without a body', async (method) => {
    const url = await receiver((request, response) => {
      response.writeHead(request.method === method ? 204 : 500).end()
    })
    const outcome = await outboundWith().request(post(url, { method, body: null }))
    expect(outcome).toMatchObject({ failure: null, response: { status: 204, isTruncated: false } })
  })

  test('a status other than 2xx is a failed attempt with its Retry-After as sent', async () => {
    const url = await receiver((_request, response) => response.writeHead(503, { 'Retry-After': '1e99' }).end('busy'))
    const outcome = await outboundWith().request(post(url))
    expect(outcome).toMatchObject({ failure: 'STATUS', retryAfter: '1e99', response: { status: 503 } })
    expect(outcome.response?.body.toString()).toBe('busy')
  })

  test('a redirect is a failed attempt and is not followed', async () => {
    let requests = 0
    const url = await receiver((_request, response) => {
      requests += 1
      response.writeHead(302, { Location: requests === 1 ? url : 'http://169.254.169.254/' }).end()
    })
    const outcome = await outboundWith().request(post(url))
    expect(outcome).toMatchObject({ failure: 'STATUS', response: { status: 302 } })
    expect(requests).toBe(1)
  })

  test('a compressed answer stays compressed', async () => {
    const packed = gzipSync('hello')
    const url = await receiver((_request, response) => {
      response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(packed)
    })
    const outcome = await outboundWith().request(post(url))
    expect(outcome.response?.body).toEqual(packed)
  })

  test('interim answers are passed over', async () => {
    const url = await receiver((_request, response) => {
      response.writeEarlyHints({ link: '</a>; rel=preload' })
      response.writeHead(200).end('final')
    })
    const outcome = await outboundWith().request(post(url))
    expect(outcome).toMatchObject({ failure: null, response: { status: 200 } })
    expect(outcome.response?.body.toString()).toBe('final')
  })

  test('connections are used again', async () => {
    const server = http.createServer((request, response) => {
      request.resume().on('end', () => response.end('ok'))
    })
    const { port, connections } = await listen(server)
    const outbound = outboundWith()
    for (let i = 0; i < 20; i += 1) await outbound.request(post(`http://127.0.0.1:${port}/`))
    // The first one is not quite free yet when its answer is reported.
    expect(connections()).toBeLessThanOrEqual(2)
  })

  test('requests that hang hold up no other to the same host', async () => {
    const hung: http.ServerResponse[] = []
    const url = await receiver((request, response) => {
      if (request.url === '/hooks') hung.push(response)
      else response.end('ok')
    })
    const outbound = outboundWith()
    const waiting = Array.from({ length: 300 }, () => outbound.request(post(url)))
    await vi.waitUntil(() => hung.length === 300, { timeout: 5_000 })
    expect(await outbound.request(post(`${url}?healthy`, { timeoutMs: 1_000 }))).toMatchObject({ failure: null })
    for (const response of hung) response.end()
    await Promise.all(waiting)
  })
})

describe('bounds', () => {
  test('an endless answer is cut at 65,536 bytes and its connection closed', async () => {
    const closed = Promise.withResolvers<void>()
    const url = await receiver((_request, response) => {
      response.on('close', closed.resolve)
      const more = () => {
        while (response.write(Buffer.alloc(16_384, 'x')));
      }
      response.on('drain', more)
      more()
    })
    const outcome = await outboundWith().request(post(url))
    expect(outcome).toMatchObject({ failure: null, response: { status: 200, isTruncated: true, announcedBytes: null } })
    expect(outcome.response?.body).toHaveLength(65_536)
    await closed.promise
  })

  test('an answer of exactly 65,536 bytes is whole; one more byte is cut', async () => {
    const url = await receiver((request, response) => response.end(Buffer.alloc(Number(request.headers['x-bytes']))))
    const outbound = outboundWith()
    const whole = await outbound.request(post(url, { headers: [['x-bytes', '65536']] }))
    expect(whole.response).toMatchObject({ isTruncated: false, announcedBytes: 65_536 })
    const cut = await outbound.request(post(url, { headers: [['x-bytes', '65537']] }))
    expect(cut.response).toMatchObject({ isTruncated: true, announcedBytes: 65_537 })
    expect(cut.response?.body).toHaveLength(65_536)
  })

  test('a dripping answer is cut when the time for the attempt is over; its status line holds', async () => {
    const timers: NodeJS.Timeout[] = []
    const url = await receiver((request, response) => {
      response.writeHead(request.method === 'PUT' ? 500 : 200)
      timers.push(setInterval(() => response.write('x'), 10))
    })
    releasers.push(async () => timers.forEach(clearInterval))
    const outbound = outboundWith()
    const delivered = await outbound.request(post(url, { timeoutMs: 300 }))
    expect(delivered).toMatchObject({ failure: null, response: { status: 200, isTruncated: true } })
    expect(delivered.response?.body.length).toBeGreaterThan(0)
    expect(delivered.durationMs).toBeLessThan(5_000)
    const failed = await outbound.request(post(url, { method: 'PUT', timeoutMs: 300 }))
    expect(failed).toMatchObject({ failure: 'STATUS', response: { status: 500, isTruncated: true } })
  })

  test('response headers are kept up to 20,000 bytes', async () => {
    const server = http.createServer((_request, response) => {
      for (let index = 0; index < 30; index += 1) response.setHeader(`x-${index}`, 'v'.repeat(1000))
      response.end('body')
    })
    const { port } = await listen(server)
    const { failure, response } = await outboundWith().request(post(`http://127.0.0.1:${port}/`))
    expect(failure).toBeNull()
    const bytes = response?.headers.reduce((sum, [name, value]) => sum + name.length + value.length, 0) ?? 0
    expect(bytes).toBeLessThanOrEqual(20_000)
    expect(bytes).toBeGreaterThan(18_000)
  })

  test('endless response headers are an invalid answer', async () => {
    const url = await rawReceiver((socket) => socket.write(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}`))
    const outcome = await outboundWith().request(post(url))
    expect(outcome).toMatchObject({ failure: 'RESPONSE_INVALID', response: null })
  })
})

describe('failures', () => {
  test('a receiver that never answers is RESPONSE_TIMEOUT', async () => {
    const url = await receiver(() => {})
    const outcome = await outboundWith().request(post(url, { timeoutMs: 100 }))
    expect(outcome).toMatchObject({ failure: 'RESPONSE_TIMEOUT', response: null })
    expect(outcome.failureDetail).toContain('100 ms')
  })

  test('a closed port is CONNECTION_REFUSED', async () => {
    const server = net.createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    const outcome = await outboundWith().request(post(`http://127.0.0.1:${port}/`))
    expect(outcome).toMatchObject({ failure: 'CONNECTION_REFUSED', response: null })
  })

  test('a broken connection is CONNECTION_RESET', async () => {
    const outbound = outboundWith()
    for (const end of ['resetAndDestroy', 'destroy'] as const) {
      const url = await rawReceiver((socket) => socket[end]())
      expect(await outbound.request(post(url))).toMatchObject({ failure: 'CONNECTION_RESET', response: null })
    }
  })

  test('a connection that is not made in time is CONNECTION_TIMEOUT', async () => {
    const neverResolves: Resolve = () => {}
    const outbound = outboundWith({ resolve: neverResolves, connectTimeoutMs: 100 })
    expect(await outbound.request(post('http://receiver.test/'))).toMatchObject({ failure: 'CONNECTION_TIMEOUT' })
  })

  test.each([
    ['another protocol', 'SSH-2.0-OpenSSH_9.6\r\n'],
    [
      'a switch of protocols that was not asked for',
      'HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
    ],
    ['a broken status line', 'HTTP/1.1 OK\r\n\r\n'],
    ['a status that is none', 'HTTP/1.1 000 Nothing\r\ncontent-length: 0\r\n\r\n'],
    ['an answer of two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 5\r\n\r\nabcde'],
    [
      'an answer with a length beside chunks',
      'HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    ],
  ])('%s is RESPONSE_INVALID', async (_name, bytes) => {
    const url = await rawReceiver((socket) => socket.end(bytes))
    const outcome = await outboundWith().request(post(url))
    expect(outcome).toMatchObject({ failure: 'RESPONSE_INVALID', response: null })
    expect(outcome.failureDetail).not.toContain('assert')
  })

  test('a 2xx answer whose body breaks off is a success, marked as truncated', async () => {
    const url = await rawReceiver((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'))
    const outcome = await outboundWith().request(post(url))
    expect(outcome).toMatchObject({ failure: null, response: { status: 200, isTruncated: true, announcedBytes: 10 } })
    expect(outcome.response?.body.toString()).toBe('half')
  })

  test('an unknown name is DNS', async () => {
    const resolve: Resolve = (_hostname, _options, callback) =>
      callback(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }), [])
    const outcome = await outboundWith({ resolve }).request(post('http://nowhere.test/'))
    expect(outcome).toMatchObject({ failure: 'DNS', failureDetail: 'nowhere.test does not resolve (ENOTFOUND)' })
    const empty = await outboundWith({ resolve: resolvingTo() }).request(post('http://nowhere.test/'))
    expect(empty).toMatchObject({ failure: 'DNS' })
  })

  test('a caller that gives up gets its own reason back, before and during the attempt', async () => {
    const arrived = Promise.withResolvers<void>()
    const url = await receiver(() => arrived.resolve())
    const outbound = outboundWith()
    const controller = new AbortController()
    const call = outbound.request(post(url, { signal: controller.signal }))
    await arrived.promise
    controller.abort(new Error('shutting down'))
    await expect(call).rejects.toThrow('shutting down')
    await expect(outbound.request(post(url, { signal: controller.signal }))).rejects.toThrow('shutting down')
  })

  test('a call that cannot be sent is a TypeError and leaves other calls alone', async () => {
    const url = await receiver((_request, response) => response.end())
    const outbound = outboundWith()
    await expect(outbound.request(post('not a url'))).rejects.toThrow(TypeError)
    await expect(outbound.request(post(url, { headers: [['x', 'a\r\nb: c']] }))).rejects.toThrow(TypeError)
    await expect(outbound.request(post(url, { headers: [['a b', 'c']] }))).rejects.toThrow(TypeError)
    expect(await outbound.request(post(url))).toMatchObject({ failure: null })
  })

  test('closing waits for the attempt under way and takes no more', async () => {
    const responses: http.ServerResponse[] = []
    const arrived = Promise.withResolvers<void>()
    const url = await receiver((_request, response) => {
      responses.push(response)
      arrived.resolve()
    })
    const outbound = createOutbound({ guard: local })
    const call = outbound.request(post(url))
    await arrived.promise
    const closing = outbound.close()
    await expect(outbound.request(post(url))).rejects.toThrow('closed')
    responses[0]?.end('done')
    expect(await call).toMatchObject({ failure: null })
    await closing
  })
})

describe('addresses that must not be reached', () => {
  test.each(['127.0.0.1', '[::1]', '[::ffff:7f00:1]', '0x7f.1', '2130706433', '127.1', '①②⑦.⓪.⓪.①'])(
    'http://%s is blocked without a connection',
    async (host) => {
      const { port, connections } = await listen(http.createServer((_request, response) => response.end()))
      const outcome = await outboundWith({ guard: strict }).request(post(`http://${host}:${port}/`))
      expect(outcome).toMatchObject({ failure: 'ADDRESS_REFUSED', response: null })
      // The pipe is live: where loopback is allowed the same receiver answers.
      expect(await outboundWith().request(post(`http://127.0.0.1:${port}/`))).toMatchObject({ failure: null })
      // The first one is not quite free yet when its answer is reported.
      expect(connections()).toBeLessThanOrEqual(2)
    },
  )

  test.each([[['127.0.0.1']], [['203.0.113.5', '127.0.0.1']], [['8.8.8.8', '127.0.0.1']], [['127.0.0.1', '8.8.8.8']]])(
    'a name that resolves to %j is blocked without a connection, and the address stays secret',
    async (addresses) => {
      const { port, connections } = await listen(http.createServer((_request, response) => response.end()))
      const resolve = resolvingTo(...addresses)
      const outcome = await outboundWith({ guard: strict, resolve }).request(post(`http://receiver.test:${port}/`))
      expect(outcome).toMatchObject({ failure: 'ADDRESS_REFUSED', response: null })
      expect(outcome.failureDetail).not.toContain('127.0.0.1')
      const live = outboundWith({ resolve: resolvingTo('127.0.0.1') })
      expect(await live.request(post(`http://receiver.test:${port}/`))).toMatchObject({ failure: null })
      // The first one is not quite free yet when its answer is reported.
      expect(connections()).toBeLessThanOrEqual(2)
    },
  )

  test('a name that turns private after its first answer is blocked at the next connection', async () => {
    const { port, connections } = await listen(
      http.createServer((_request, response) => response.writeHead(200, { Connection: 'close' }).end()),
    )
    const answers = ['127.0.0.1', '10.0.0.1']
    const resolve: Resolve = (hostname, options, callback) =>
      resolvingTo(answers.shift() ?? '10.0.0.1')(hostname, options, callback)
    const outbound = outboundWith({ resolve })
    expect(await outbound.request(post(`http://receiver.test:${port}/`))).toMatchObject({ failure: null })
    expect(await outbound.request(post(`http://receiver.test:${port}/`))).toMatchObject({ failure: 'ADDRESS_REFUSED' })
    // The first one is not quite free yet when its answer is reported.
    expect(connections()).toBeLessThanOrEqual(2)
  })
})
