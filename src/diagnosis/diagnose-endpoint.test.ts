import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http, { type RequestListener } from 'node:http'
import https from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Configuration, doneValue, startConfiguration } from '../../test/support/configuration.ts'
import type { Reach } from '../auth/viewer.ts'
import { createEndpoint, createEndpointDirectory, createEndpointStore } from '../endpoints/index.ts'
import { type EndpointId, newId } from '../kernel/ids.ts'
import { createAddressGuard } from '../outbound/address-guard.ts'
import { createOutbound, type Outbound } from '../outbound/outbound.ts'
import { slotOf } from '../rollups/index.ts'
import { createStatsStore } from '../stats/index.ts'
import { type Diagnosis, type DiagnosisDeps, diagnoseEndpoint } from './diagnose-endpoint.ts'
import type { DiagnosisSubject, Finding } from './finding.ts'
import { createProbeRoom } from './probe-room.ts'

let configuration: Configuration
let reach: Reach
let deps: DiagnosisDeps
const outbounds: Outbound[] = []
const servers: Server[] = []
const requests: string[] = []

beforeAll(async () => {
  configuration = await startConfiguration()
  reach = await configuration.newProject()
  deps = depsWith({ allowsLoopback: true })
})
afterAll(async () => {
  for (const outbound of outbounds) await outbound.close()
  for (const server of servers) {
    server.close()
    await once(server, 'close')
  }
  await configuration.close()
})

const certificate = (name: string) =>
  readFileSync(new URL(`../../test/support/certificates/${name}`, import.meta.url), 'utf8')

/** `gone.test` does not resolve; all other names are this machine. */
function depsWith({ allowsLoopback }: { allowsLoopback: boolean }): DiagnosisDeps {
  const guard = createAddressGuard({ allowedNetworks: [], allowsLoopback })
  const outbound = createOutbound({
    guard,
    ca: [certificate('authority.pem')],
    resolve: (hostname, _options, callback) =>
      hostname === 'gone.test'
        ? callback(Object.assign(new Error('unknown'), { code: 'ENOTFOUND' }), [])
        : callback(null, [{ address: '127.0.0.1', family: 4 }]),
  })
  outbounds.push(outbound)
  return {
    ...configuration,
    guard,
    outbound,
    endpoints: createEndpointStore(configuration.orm),
    activeEndpoints: createEndpointDirectory(configuration),
    stats: createStatsStore(configuration.sql),
    probeRoom: createProbeRoom(),
  }
}

async function listen(server: Server): Promise<number> {
  servers.push(server.listen(0, '127.0.0.1'))
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** @param skewMs of the server's clock; null: it tells no time. */
function answerWith(skewMs: number | null): RequestListener {
  return (request, response) => {
    requests.push(`${request.method} ${JSON.stringify(request.headers)}`)
    response.sendDate = false
    if (skewMs !== null) response.setHeader('date', new Date(Date.now() + skewMs).toUTCString())
    response.writeHead(405).end()
  }
}

function tlsServer(name: string, skewMs: number | null = 0): Server {
  const options = { cert: certificate(`${name}.pem`), key: certificate(`${name}.key`) }
  return https.createServer(options, answerWith(skewMs))
}

async function newEndpoint(url: string): Promise<EndpointId> {
  const input = {
    url,
    headers: [{ name: 'x-key', value: 'hidden', isSecret: true }],
    authentication: { bearer: 'hidden' },
  }
  return doneValue(await createEndpoint({ ...configuration, guard: deps.guard }, reach, input)).endpoint.id
}

type Findings = Record<DiagnosisSubject, Finding>

async function findings(id: EndpointId, by = deps): Promise<Findings> {
  const diagnosis: Diagnosis = doneValue(await diagnoseEndpoint(by, reach, { id }))
  expect(diagnosis.endpoint.id).toBe(id)
  const bySubject = Object.fromEntries(diagnosis.findings.map((finding) => [finding.subject, finding])) as Findings
  expect(Object.keys(bySubject)).toEqual(['url', 'dns', 'connection', 'tls', 'clock', 'failures', 'latency', 'breaker'])
  return bySubject
}

function levels(found: Findings): string {
  const { url, dns, connection, tls, clock } = found
  return [url, dns, connection, tls, clock].map(({ level }) => level).join(' ')
}

test.each([
  ['good', 'ok ok ok ok ok', /holds, until/],
  ['expired', 'ok ok ok problem skipped', /expired/],
  ['self-signed', 'ok ok ok problem skipped', /self-signed/],
  ['wrong-host', 'ok ok ok problem skipped', /receiver\.test/],
])('a server with a certificate that is %s', async (name, expected, summary) => {
  const id = await newEndpoint(`https://receiver.test:${await listen(tlsServer(name))}/`)
  const found = await findings(id)
  expect(levels(found), JSON.stringify(found)).toBe(expected)
  expect(found.tls.summary).toMatch(summary)
})

test('its server is asked for the time alone: by HEAD, without credentials', async () => {
  requests.length = 0
  const id = await newEndpoint(`http://receiver.test:${await listen(http.createServer(answerWith(0)))}/hook`)
  expect(levels(await findings(id))).toBe('warning ok ok ok ok')
  expect(requests).toHaveLength(1)
  expect(requests[0]).toMatch(/^HEAD .*"user-agent":"Hookline/)
  expect(requests[0]).not.toMatch(/hidden|webhook|authorization/)
})

test.each([
  [-600_000, 'problem'],
  [120_000, 'warning'],
  [null, 'skipped'],
])('a server whose clock is off by %s ms', async (skewMs, level) => {
  const id = await newEndpoint(`http://receiver.test:${await listen(http.createServer(answerWith(skewMs)))}/`)
  expect((await findings(id)).clock.level).toBe(level)
})

test('a server that hangs up on the question keeps its clock to itself', async () => {
  const port = await listen(http.createServer((request) => request.socket.destroy()))
  const found = await findings(await newEndpoint(`http://receiver.test:${port}/`))
  expect(levels(found)).toBe('warning ok ok ok skipped')
  expect(found.clock.summary).toContain('HEAD request got no answer')
})

test('a name that does not resolve, and a port at which nobody listens', async () => {
  const gone = await findings(await newEndpoint('https://gone.test/'))
  expect(levels(gone)).toBe('ok problem skipped skipped skipped')
  const closed = http.createServer()
  const port = await listen(closed)
  servers.pop()
  closed.close()
  const refused = await findings(await newEndpoint(`https://receiver.test:${port}/`))
  expect(levels(refused)).toBe('ok ok problem skipped skipped')
})

test('what the guard refuses is said to be refused, and not connected to', async () => {
  const strict = depsWith({ allowsLoopback: false })
  let connections = 0
  const server = http.createServer(answerWith(0)).on('connection', () => {
    connections += 1
  })
  const port = await listen(server)
  const literal = await newEndpoint(`http://127.0.0.1:${port}/`)
  const named = await newEndpoint(`http://inner.test:${port}/`)
  const foundLiteral = await findings(literal, strict)
  expect(levels(foundLiteral)).toBe('problem skipped skipped skipped skipped')
  const foundNamed = await findings(named, strict)
  expect(levels(foundNamed)).toBe('warning problem skipped skipped skipped')
  expect(foundNamed.dns.summary).toContain('not a public one')
  expect(JSON.stringify(foundNamed)).not.toContain('127.0.0.1')
  expect(connections).toBe(0)
  await findings(named)
  expect(connections).toBeGreaterThan(0)
})

/** Attempts of the last minute, and a delivery that tells of the failed ones. */
async function attempted(id: EndpointId, { attempts, failures }: { attempts: number; failures: number }) {
  const histogram = Array.from({ length: 101 }, (_, slot) => (slot === slotOf(12_000) ? attempts : 0))
  await configuration.sql.query(
    `insert into rollups (node_id, span, starts_at, received, refused, created, delivered, failed, retried, attempts,
                          duration_ms, histogram)
     values ($1, 'minute', date_trunc('minute', now()), 0, 0, 0, $3::int - $2::int, 0, $2, $3, 0, $4)`,
    [id, failures, attempts, histogram],
  )
  const deliveryId = newId('dlv')
  await configuration.sql.query(
    `insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, status, attempt_count,
                             created_at, updated_at)
     values ($1, $2, 'src_x', 1, $4, $3, 'retrying', 3, now(), now())`,
    [deliveryId, reach.projectId, id, newId('msg')],
  )
  for (const [status, failure] of [
    [503, 'STATUS'],
    [null, 'RESPONSE_TIMEOUT'],
    [503, 'STATUS'],
  ]) {
    await configuration.sql.query(
      `insert into attempts (id, delivery_id, number, started_at, status, failure) values ($1, $2, 1, now(), $3, $4)`,
      [newId('att'), deliveryId, status, failure],
    )
  }
}

test('the last 24 hours are judged by what was counted, with the most frequent failures by name', async () => {
  const id = await newEndpoint('https://gone.test/')
  const quiet = await findings(id)
  expect(quiet.failures).toMatchObject({ level: 'ok', summary: 'Nothing was attempted.' })
  await attempted(id, { attempts: 100, failures: 60 })
  const { failures, latency } = await findings(id)
  expect(failures).toMatchObject({
    level: 'problem',
    summary: '60 of 100 attempts failed; of the latest: status 503 (2), RESPONSE_TIMEOUT (1).',
  })
  // Of a time-out of 15 s.
  expect(latency.level).toBe('warning')
})

test.each([
  [`status = 'paused'`, 'warning'],
  [`status = 'disabled', disabled_reason = 'It answered 410.'`, 'problem'],
  [`breaker = 'open', next_probe_at = now() + interval '1 minute'`, 'problem'],
  [`throttled_until = now() + interval '1 minute'`, 'warning'],
  [`status = 'active'`, 'ok'],
])('its state is told: %s', async (state, level) => {
  const id = await newEndpoint('https://gone.test/')
  await configuration.sql.query(`update endpoint_states set ${state} where endpoint_id = $1`, [id])
  expect((await findings(id)).breaker.level).toBe(level)
})

test('what another project has, or nobody, is not found', async () => {
  const id = await newEndpoint('https://gone.test/')
  const stranger = await configuration.newProject()
  for (const [by, asked] of [
    [stranger, id],
    [reach, newId('ept')],
    [reach, 'none'],
    [{ ...reach, sourceIds: new Set([newId('src')]) }, id],
  ] as const) {
    const outcome = await diagnoseEndpoint(deps, by, { id: asked })
    expect(outcome).toEqual({ kind: 'not-found', id: asked, path: ['input', 'id'] })
  }
})
