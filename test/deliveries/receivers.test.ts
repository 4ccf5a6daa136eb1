import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import net, { type AddressInfo, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { EndpointId, ProjectId, SourceId } from '../../src/kernel/ids.ts'
import { createAddressGuard } from '../../src/outbound/address-guard.ts'
import type { AttemptFailure } from '../../src/outbound/attempt.ts'
import type { Resolve } from '../../src/outbound/guarded-lookup.ts'
import { createOutbound, type Outbound } from '../../src/outbound/outbound.ts'
import { createDeliveryWorld, type DeliveryWorld, type Receiver, until } from '../support/delivery-world.ts'

/*
 * Every way in which a receiver can misbehave, one real server for each, all at once behind one gateway. Each must leave
 * attempts with a failure that has a name, and a delivery that is either tried again or over; and a receiver that answers
 * must not notice any of them.
 */

interface Case {
  readonly name: string
  /** The receiver; not listening yet. */
  readonly server: () => Server
  readonly scheme?: 'http' | 'https'
  /** What the host's name resolves to, lookup by lookup; the last holds on. Left out: the receiver. */
  readonly addresses?: readonly (readonly string[])[]
  /** The status of the answer, or why there is none, of each attempt. */
  readonly attempts: readonly (number | AttemptFailure)[]
  readonly ends: 'delivered' | 'retrying' | 'failed'
  readonly isSlow?: true
  /** About how long the next attempt is put off, s. Default: as long as the endpoint's policy says. */
  readonly waitSeconds?: number
  /** Requests, or where it speaks no HTTP connections, that reach the receiver. */
  readonly arrivals?: number
}

/** Of the endpoints whose receivers are slow; long enough to connect on a busy machine. */
const timeoutMs = 2_000
/** Of the endpoints' policy: the first retry comes at once, so that a second attempt can be seen where one is expected. */
const policySeconds = 300
const daySeconds = 86_400

/** Answers with a status and headers. */
const answering = (status: number, headers: http.OutgoingHttpHeaders = {}) =>
  http.createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(status, headers).end())
  })

/** Speaks whatever it likes, once a request has come. */
const saying = (say: (socket: Socket) => void) => net.createServer((socket) => socket.once('data', () => say(socket)))

/** Writes without an end, a piece each time as soon as the last one went. */
function flood(socket: NodeJS.WritableStream, piece: string): void {
  const more = () => {
    while (socket.write(piece));
  }
  socket.on('drain', more)
  more()
}

/** Writes a text one character each 20 ms, and its last one for ever. */
function drip(socket: Socket, text: string): void {
  let index = 0
  const timer = setInterval(() => {
    socket.write(text[Math.min(index, text.length - 1)] ?? '')
    index += 1
  }, 20)
  socket.on('close', () => clearInterval(timer))
}

const certificate = (name: string) => readFileSync(new URL(`../support/certificates/${name}`, import.meta.url), 'utf8')

const overTls = (name: string) =>
  https.createServer({ cert: certificate(`${name}.pem`), key: certificate(`${name}.key`) }, (_request, response) =>
    response.end(),
  )

const retryAfter = (name: string, value: string, waitSeconds: number): Case => ({
  name: `answers 429 and Retry-After ${name}`,
  server: () => answering(429, { 'retry-after': value }),
  attempts: [429],
  ends: 'retrying',
  waitSeconds,
})

const cases: Case[] = [
  {
    name: 'never answers',
    isSlow: true,
    server: () => http.createServer(() => {}),
    attempts: ['RESPONSE_TIMEOUT'],
    ends: 'retrying',
  },
  {
    name: 'never finishes a TLS handshake',
    isSlow: true,
    server: () => net.createServer(() => {}),
    scheme: 'https',
    attempts: ['CONNECTION_TIMEOUT'],
    ends: 'retrying',
  },
  {
    name: 'drips its headers',
    isSlow: true,
    server: () => saying((socket) => drip(socket, 'HTTP/1.1 200 OK\r\nx-slow: 1')),
    attempts: ['RESPONSE_TIMEOUT'],
    ends: 'retrying',
  },
  {
    name: 'accepts and drips its body',
    isSlow: true,
    server: () =>
      saying((socket) => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        drip(socket, 'x')
      }),
    attempts: [200],
    ends: 'delivered',
  },
  {
    name: 'resets the connection',
    server: () => saying((socket) => socket.resetAndDestroy()),
    attempts: ['CONNECTION_RESET'],
    ends: 'retrying',
  },
  { name: 'answers 500', server: () => answering(500), attempts: [500], ends: 'retrying' },
  {
    name: 'redirects to the metadata service',
    server: () => answering(302, { location: 'http://169.254.169.254/latest/meta-data/' }),
    attempts: [302],
    ends: 'retrying',
    arrivals: 1,
  },
  { name: 'is gone', server: () => answering(410), attempts: [410], ends: 'failed', arrivals: 1 },
  retryAfter('in seconds', '7200', 7_200),
  retryAfter('as a date', new Date(Date.now() + 7_200_000).toUTCString(), 7_200),
  retryAfter('of less than the policy', '1', policySeconds),
  retryAfter('in the past', 'Sun, 06 Nov 1994 08:49:37 GMT', policySeconds),
  retryAfter('of less than nothing', '-5', policySeconds),
  retryAfter('that says nothing', 'soon', policySeconds),
  retryAfter('of 1e99 s', '1e99', daySeconds),
  retryAfter('in the year 9999', 'Fri, 31 Dec 9999 23:59:59 GMT', daySeconds),
  {
    name: 'accepts and answers without an end',
    server: () => http.createServer((_request, response) => flood(response, 'x'.repeat(65_536))),
    attempts: [200],
    ends: 'delivered',
  },
  {
    name: 'answers 500 without an end',
    server: () => http.createServer((_request, response) => flood(response.writeHead(500), 'x'.repeat(65_536))),
    attempts: [500],
    ends: 'retrying',
  },
  {
    name: 'answers headers without an end',
    server: () =>
      saying((socket) => {
        socket.write('HTTP/1.1 200 OK\r\n')
        flood(socket, `x: ${'x'.repeat(65_536)}\r\n`)
      }),
    attempts: ['RESPONSE_INVALID'],
    ends: 'retrying',
  },
  {
    name: 'speaks another protocol',
    server: () => saying((socket) => socket.end('SSH-2.0-OpenSSH_9.6\r\n')),
    attempts: ['RESPONSE_INVALID'],
    ends: 'retrying',
  },
  {
    name: 'has a certificate that is trusted',
    server: () => overTls('good'),
    scheme: 'https',
    attempts: [200],
    ends: 'delivered',
  },
  {
    name: 'has a certificate that expired',
    server: () => overTls('expired'),
    scheme: 'https',
    attempts: ['TLS_EXPIRED'],
    ends: 'retrying',
    arrivals: 0,
  },
  {
    name: 'has signed its certificate itself',
    server: () => overTls('self-signed'),
    scheme: 'https',
    attempts: ['TLS_UNTRUSTED'],
    ends: 'retrying',
    arrivals: 0,
  },
  {
    name: "has another host's certificate",
    server: () => overTls('wrong-host'),
    scheme: 'https',
    attempts: ['TLS_WRONG_HOST'],
    ends: 'retrying',
    arrivals: 0,
  },
  {
    name: 'speaks no TLS where https is called',
    server: () => answering(200),
    scheme: 'https',
    attempts: ['TLS'],
    ends: 'retrying',
    arrivals: 0,
  },
  {
    name: 'has a name that nobody knows',
    server: () => answering(200),
    addresses: [[]],
    attempts: ['DNS'],
    ends: 'retrying',
    arrivals: 0,
  },
  {
    name: 'has a name of a private address',
    server: () => answering(200),
    addresses: [['10.0.0.1']],
    attempts: ['ADDRESS_REFUSED'],
    ends: 'retrying',
    arrivals: 0,
  },
  {
    name: 'has a name of its own address and a private one',
    server: () => answering(200),
    addresses: [['127.0.0.1', '169.254.169.254']],
    attempts: ['ADDRESS_REFUSED'],
    ends: 'retrying',
    arrivals: 0,
  },
  {
    name: 'has a name that first is its own, then a private address',
    server: () => answering(500, { connection: 'close' }),
    addresses: [['127.0.0.1'], ['10.0.0.1']],
    attempts: [500, 'ADDRESS_REFUSED'],
    ends: 'retrying',
    arrivals: 1,
  },
]

interface Running {
  readonly endpointId: EndpointId
  arrivals(): number
}

const closers: (() => Promise<unknown>)[] = []
const names = new Map<string, (readonly string[])[]>()
const running = new Map<Case, Running>()
let world: DeliveryWorld
let projectId: ProjectId
let sourceId: SourceId
let healthy: Receiver

const resolve: Resolve = (hostname, _options, callback) => {
  const answers = names.get(hostname)
  const [addresses = ['127.0.0.1']] = answers ?? []
  if (answers !== undefined && answers.length > 1) answers.shift()
  callback(
    null,
    addresses.map((address) => ({ address, family: 4 })),
  )
}

beforeAll(async () => {
  world = await createDeliveryWorld()
  projectId = await world.createProject()
  sourceId = await world.createSource(projectId)
  healthy = await world.startReceiver()
  await world.createEndpoint(projectId, healthy.url)
  await Promise.all(cases.map(async (one, place) => running.set(one, await start(one, place))))
  const outbound = createOutbound({
    guard: createAddressGuard({ allowedNetworks: [], allowsLoopback: true }),
    ca: [certificate('authority.pem')],
    resolve,
  })
  closers.push(() => outbound.close())
  await startWorkerWith(outbound)
  await world.publish(sourceId)
})

afterAll(async () => {
  await world.close()
  for (const close of closers.reverse()) await close()
})

async function startWorkerWith(outbound: Outbound): Promise<void> {
  const { stop } = await world.startWorker({ outbound, graceMs: 50 })
  closers.push(stop)
}

async function start(one: Case, place: number): Promise<Running> {
  const { port, arrivals } = await listen(one.server())
  // A certificate names its host, and so each of the names that tell the cases apart has one server.
  const hostname = one.scheme === 'https' ? 'receiver.test' : `receiver-${place}.test`
  if (one.addresses !== undefined) names.set(hostname, [...one.addresses])
  const url = `${one.scheme ?? 'http'}://${hostname}:${port}/hook`
  // A second attempt only where one is expected.
  const retryDelaysMs = one.attempts.length > 1 ? [10, policySeconds * 1000] : [policySeconds * 1000]
  const { id } = await world.createEndpoint(projectId, url, null, { retryDelaysMs })
  if (one.isSlow) await world.sql.query(`update endpoints set timeout_ms = $1 where id = $2`, [timeoutMs, id])
  return { endpointId: id, arrivals }
}

async function listen(server: Server): Promise<{ port: number; arrivals: () => number }> {
  const sockets = new Set<Socket>()
  let requests = 0
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  server.on('request', () => {
    requests += 1
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return { port: (server.address() as AddressInfo).port, arrivals: () => requests }
}

interface DeliveryRow {
  status: string
  attempt_count: number
  wait_seconds: number | null
}

async function deliveryOf(endpointId: EndpointId): Promise<DeliveryRow | undefined> {
  const [row] = await world.sql.query<DeliveryRow>(
    `select d.status, d.attempt_count,
            extract(epoch from d.next_attempt_at - d.updated_at)::float8 as wait_seconds
       from deliveries as d
      where d.endpoint_id = $1`,
    [endpointId],
  )
  return row
}

async function attemptsOf(endpointId: EndpointId): Promise<{ status: number | null; failure: string | null }[]> {
  return await world.sql.query(
    `select a.status, a.failure
       from attempts as a
       join deliveries as d on d.id = a.delivery_id
      where d.endpoint_id = $1
      order by a.number`,
    [endpointId],
  )
}

function runningOf(one: Case): Running {
  const found = running.get(one)
  if (found === undefined) throw new Error('the receiver was not started')
  return found
}

function attemptWith(result: number | AttemptFailure): { status: number | null; failure: string | null } {
  if (typeof result === 'string') return { status: null, failure: result }
  return { status: result, failure: result < 300 ? null : 'STATUS' }
}

test.each(cases)('a receiver that $name leaves a delivery that is $ends', async (one) => {
  const { endpointId, arrivals } = runningOf(one)
  await until(async () =>
    expect(await deliveryOf(endpointId)).toMatchObject({ status: one.ends, attempt_count: one.attempts.length }),
  )
  expect(await attemptsOf(endpointId)).toEqual(one.attempts.map(attemptWith))
  if (one.arrivals !== undefined) expect(arrivals()).toBe(one.arrivals)
  const waitSeconds = (await deliveryOf(endpointId))?.wait_seconds ?? null
  if (one.ends !== 'retrying') return expect(waitSeconds).toBeNull()
  const expected = one.waitSeconds ?? policySeconds
  expect(waitSeconds).toBeGreaterThan(expected - 60)
  expect(waitSeconds).toBeLessThan(expected + 60)
})

test('a receiver that answers gets what comes while all others misbehave, and nothing is lost', async () => {
  await until(() => expect(healthy.requests).toHaveLength(1))
  const latest = await world.publish(sourceId)
  await until(() => expect(healthy.requests.map(({ headers }) => headers['webhook-id'])).toContain(latest[0]))
  const deliveries = await world.deliveries()
  expect(deliveries).toHaveLength(2 * (cases.length + 1))
  const rows = await world.sql.query(
    `select from deliveries where (next_attempt_at is null) <> (status in ('delivered', 'failed'))`,
  )
  expect(rows).toEqual([])
})
