import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import type { Route } from '../../src/http/index.ts'
import { exchangeBytes, openConnection, startServer } from './start-server.ts'

const echo: Route = {
  template: '/echo',
  methods: ['POST'],
  async handle({ request, response }) {
    response.end(await text(request))
  },
}

const firstChunk: Route = {
  template: '/first-chunk',
  methods: ['POST'],
  async handle({ request, response }) {
    for await (const _ of request.iterator({ destroyOnReturn: false })) break
    response.writeHead(413).end()
  },
}

const fast = { headersTimeoutMs: 200, requestTimeoutMs: 400 }

test.each([
  [
    'Content-Length with Transfer-Encoding',
    'Content-Length: 3\r\nTransfer-Encoding: chunked',
    400,
    'MALFORMED_REQUEST',
  ],
  [
    'Transfer-Encoding with Content-Length',
    'Transfer-Encoding: chunked\r\nContent-Length: 3',
    400,
    'MALFORMED_REQUEST',
  ],
  ['two equal Content-Lengths', 'Content-Length: 3\r\nContent-Length: 3', 400, 'MALFORMED_REQUEST'],
  ['two different Content-Lengths', 'Content-Length: 3\r\nContent-Length: 4', 400, 'MALFORMED_REQUEST'],
  ['two Hosts', 'Host: b\r\nContent-Length: 0', 400, 'DUPLICATE_HEADER'],
  ['two Content-Types', 'Content-Type: a/b\r\ncontent-type: a/b\r\nContent-Length: 0', 400, 'DUPLICATE_HEADER'],
  ['20 kB of headers', `X-Long: ${'x'.repeat(20_000)}`, 431, 'HEADERS_TOO_LARGE'],
  [
    '20 kB of many headers',
    Array.from({ length: 1_200 }, () => 'abcdefgh: ijklmnop').join('\r\n'),
    431,
    'HEADERS_TOO_LARGE',
  ],
  ['an unknown expectation', 'Expect: foo\r\nContent-Length: 0', 417, 'EXPECTATION_FAILED'],
  ['a space before a colon', 'X-Odd : 1', 400, 'MALFORMED_REQUEST'],
])('%s is refused, with one answer and the reason in the log', async (_, headers, status, code) => {
  const { port, line } = await startServer({ routes: [echo] })
  const answer = await exchangeBytes(
    port,
    `POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${headers}\r\n\r\nabc`,
  )
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  expect(answer).toMatch(/content-type: application\/problem\+json/i)
  expect(answer).toContain(`"code":"${code}"`)
  expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1)
  await line({ status, code })
})

test.each([
  ['a URL of 20 kB', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 431, 'HEADERS_TOO_LARGE'],
  ['an unknown method', 'FOO / HTTP/1.1\r\nHost: a\r\n\r\n', 400, 'UNKNOWN_METHOD'],
  ['no HTTP at all', 'hello\r\n\r\n', 400, 'UNKNOWN_METHOD'],
  ['HTTP/2 without negotiation', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'MALFORMED_REQUEST'],
  ['no Host', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'HOST_REQUIRED'],
  ['a tunnel', 'CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\n\r\n', 405, 'METHOD_NOT_ALLOWED'],
])('%s is refused', async (_, bytes, status, code) => {
  const { port } = await startServer()
  const answer = await exchangeBytes(port, bytes)
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  expect(answer).toContain(`"code":"${code}"`)
})

test('headers that arrive too slowly are answered 408', async () => {
  const { port, line } = await startServer({ routes: [echo], limits: fast })
  const connection = await openConnection(port)
  connection.send('POST /echo HTTP/1.1\r\nHost: a\r\n')
  expect(await connection.closed()).toMatch(/^HTTP\/1.1 408 .*"code":"REQUEST_TIMEOUT"/s)
  await line({ route: '(unparsed)', status: 408 })
})

test('a body that arrives too slowly is answered 408, with one log line', async () => {
  const { port, line, lines } = await startServer({ routes: [echo], limits: fast })
  const connection = await openConnection(port)
  connection.send('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc')
  expect(await connection.closed()).toMatch(/^HTTP\/1.1 408 .*"code":"REQUEST_TIMEOUT"/s)
  await line({ route: '/echo', status: 408, code: 'REQUEST_TIMEOUT', outcome: 'answered' })
  expect(lines).toHaveLength(1)
})

test('a broken chunk in the middle of a body is answered 400', async () => {
  const { port, line } = await startServer({ routes: [echo] })
  const connection = await openConnection(port)
  connection.send('POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n')
  expect(await connection.closed()).toMatch(/^HTTP\/1.1 400 .*"code":"MALFORMED_REQUEST"/s)
  await line({ route: '/echo', status: 400 })
})

test('garbage behind a request does not spoil that request’s answer', async () => {
  const gate = Promise.withResolvers<void>()
  const slow: Route = {
    template: '/slow',
    methods: 'any',
    async handle({ response }) {
      await gate.promise
      response.end('slow but whole')
    },
  }
  const { port } = await startServer({ routes: [slow] })
  const connection = await openConnection(port)
  connection.send('GET /slow HTTP/1.1\r\nHost: a\r\n\r\nNONSENSE\r\n\r\n')
  // A later request on another connection shows that the garbage was read by then.
  await exchangeBytes(port, 'GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  gate.resolve()
  const answer = await connection.closed()
  expect(answer).toMatch(/^HTTP\/1.1 200 .*slow but whole/s)
  expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1)
})

test('a request in absolute form and one in HTTP/1.0 without Host are understood', async () => {
  const { port } = await startServer({ routes: [echo] })
  const head = 'Content-Length: 2\r\nConnection: close\r\n\r\nhi'
  expect(await exchangeBytes(port, `POST http://a/echo?x HTTP/1.1\r\nHost: a\r\n${head}`)).toMatch(/200 OK.*hi$/s)
  expect(await exchangeBytes(port, `POST /echo HTTP/1.0\r\n${head}`)).toMatch(/200 OK.*hi$/s)
})

test('a client that goes on sending after its answer is cut', async () => {
  const { port } = await startServer({ routes: [echo], limits: { lingerMs: 100 } })
  const connection = await openConnection(port)
  connection.send('POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc')
  expect(await connection.closed()).toMatch(/^HTTP\/1.1 404 /)
})

test('a client that hangs up on its early answer is not logged as a malformed request', async () => {
  const { port, url, lines, line } = await startServer({ routes: [echo] })
  const connection = await openConnection(port)
  connection.send('POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc')
  await connection.receives('NOT_FOUND')
  connection.socket.end()
  await connection.closed()
  await fetch(`${url}/healthz`)
  await line({ route: '/healthz' })
  expect(lines.map(({ route }) => route)).toEqual(['(unknown)', '/healthz'])
})

test('what comes behind an answer that announced the close is dropped without a word', async () => {
  const { port, url, lines, line } = await startServer({ routes: [echo] })
  const connection = await openConnection(port)
  connection.send(
    'GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n',
  )
  expect((await connection.closed()).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200'])
  await fetch(`${url}/nowhere`)
  await line({ route: '(unknown)' })
  expect(lines.map(({ route }) => route)).toEqual(['/healthz', '(unknown)'])
})

test('an upload that is refused early gets its answer, however large it is', async () => {
  const { url } = await startServer({ routes: [echo] })
  const body = Buffer.alloc(8_000_000)
  for (let round = 0; round < 5; round += 1) {
    const answer = await fetch(`${url}/nowhere`, { method: 'POST', body })
    expect([answer.status, await answer.json()]).toMatchObject([404, { code: 'NOT_FOUND' }])
  }
})

test.each([
  ['is not read at all', '/nowhere', '404'],
  ['is read in part', '/first-chunk', '413'],
])(
  'a client that sends all of an upload before it reads gets the answer, also on its last request (%s)',
  async (_, path, status) => {
    const { port } = await startServer({ routes: [echo, firstChunk] })
    const body = Buffer.alloc(8_000_000)
    for (const connection of ['close', 'keep-alive']) {
      const { socket, closed } = await openConnection(port)
      socket.pause()
      socket.write(
        `POST ${path} HTTP/1.1\r\nHost: a\r\nConnection: ${connection}\r\nContent-Length: ${body.length}\r\n\r\n`,
      )
      await new Promise<void>((resolve, reject) => socket.write(body, (error) => (error ? reject(error) : resolve())))
      socket.end()
      socket.resume()
      expect(await closed()).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    }
  },
)

test('an upload that waits for 100-continue gets it', async () => {
  const { port } = await startServer({ routes: [echo] })
  const connection = await openConnection(port)
  connection.send(
    'POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n',
  )
  await connection.receives('100 Continue')
  connection.send('hi')
  expect(await connection.closed()).toMatch(/200 OK.*hi$/s)
})
