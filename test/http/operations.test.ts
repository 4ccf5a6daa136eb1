import { expect, test } from 'vitest'
import { createHttpServer, createMetrics } from '../../src/http/index.ts'
import { startServer } from './start-server.ts'

test('/healthz tells the version and since when the process runs', async () => {
  const { url } = await startServer()
  const answer = await fetch(`${url}/healthz`)
  expect(answer.status).toBe(200)
  const body = (await answer.json()) as { startedAt: string }
  expect(body).toEqual({ status: 'ok', version: '1.2.3', startedAt: expect.any(String) })
  expect(new Date(body.startedAt).toISOString()).toBe(body.startedAt)
})

test('/readyz names what fails, recovers, and shows no internals', async () => {
  let isDatabaseUp = false
  const database = async () => {
    if (!isDatabaseUp) throw new Error('connect ECONNREFUSED 10.0.0.5')
  }
  const { url, line } = await startServer({
    checks: [
      { name: 'database', check: database },
      { name: 'migrations', check: async () => {} },
    ],
  })
  const unready = await fetch(`${url}/readyz`)
  expect([unready.status, await unready.json()]).toEqual([503, { status: 'not ready', failed: ['database'] }])
  expect(await line({ route: '/readyz', status: 503 })).toMatchObject({ err: { message: /ECONNREFUSED/ } })
  isDatabaseUp = true
  const ready = await fetch(`${url}/readyz`)
  expect([ready.status, await ready.json()]).toEqual([200, { status: 'ready' }])
})

test('a readiness check that hangs fails instead of hanging the probe', async () => {
  const { url } = await startServer({ checks: [{ name: 'database', check: () => new Promise(() => {}) }] })
  const answer = await fetch(`${url}/readyz`)
  expect([answer.status, await answer.json()]).toEqual([503, { status: 'not ready', failed: ['database'] }])
})

test('/metrics counts requests by template, method and status, and tells of the process', async () => {
  const metrics = createMetrics()
  const { url, line } = await startServer({
    metrics,
    routes: [
      { template: '/in/:token', methods: ['POST'], handle: ({ response }) => void response.writeHead(202).end() },
    ],
  })
  await fetch(`${url}/in/a`, { method: 'POST' })
  await fetch(`${url}/in/b`, { method: 'POST' })
  await fetch(`${url}/c`)
  await line({ status: 404 })
  const answer = await fetch(`${url}/metrics`)
  const text = await answer.text()
  expect(answer.headers.get('content-type')).toContain('text/plain')
  expect(text).toContain('http_requests_total{route="/in/:token",method="POST",status="202"} 2')
  expect(text).toContain('http_requests_total{route="(unknown)",method="GET",status="404"} 1')
  expect(text).toContain('http_request_duration_seconds_count{route="/in/:token"} 2')
  expect(text).toContain('process_cpu_seconds_total')
})

test('a port that is taken is told with what to do', async () => {
  const { port } = await startServer()
  await expect(startServer({ port })).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    publicMessage: `Port ${port} on 127.0.0.1 is in use. Stop the program that listens there, or set PORT to another port.`,
  })
})

test('an address that is not this machine’s is told with what to do', async () => {
  await expect(startServer({ host: '192.0.2.1' })).rejects.toMatchObject({ code: 'HOST_NOT_OURS' })
})

test('a server that never listened drains at once', async () => {
  const { server: running, metrics } = await startServer()
  await running.drain()
  const options = { routes: [], host: '127.0.0.1', port: 0, version: '1', checks: [], drainTimeoutMs: 60_000 }
  const { createLog } = await import('../../src/kernel/log.ts')
  metrics.clear()
  const server = createHttpServer({ ...options, metrics, log: createLog({ level: 'silent', isPretty: false }) })
  await server.drain()
})
