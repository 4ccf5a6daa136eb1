import { sign, verify } from '@octokit/webhooks-methods'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { githubPayloads } from '../support/github-payloads.ts'
import { until } from '../support/until.ts'
import { type ListenWorld, linesOf, send, startListenWorld, startLocalServer } from './listen-world.ts'

const secret = "It's a Secret to Everybody"

let world: ListenWorld

beforeAll(async () => {
  world = await startListenWorld()
})
afterAll(() => world.close())

test('every GitHub webhook reaches the local server in order, and its signature still holds', async () => {
  const source = await world.createSource('github', { verification: { preset: { preset: 'GITHUB', secret } } })
  const server = await startLocalServer()
  const payloads = githubPayloads.slice(0, 60)
  const listener = source.listen(['--forward', server.url, '--json', '--exit-after', String(payloads.length)])
  await listener.logs('Listening to')
  for (const { event, text } of payloads) {
    const signature = await sign(secret, text)
    const headers = ['Content-Type', 'application/json', 'X-GitHub-Event', event, 'X-Hub-Signature-256', signature]
    expect(await send(source.ingressUrl, { headers, body: text })).toBe(202)
  }
  expect(await listener.exited).toEqual({ code: 0, signal: null })
  expect(server.requests.map(({ body }) => body.toString())).toEqual(payloads.map(({ text }) => text))
  for (const { rawHeaders, body } of server.requests) {
    const signature = rawHeaders[rawHeaders.indexOf('X-Hub-Signature-256') + 1] ?? ''
    expect(await verify(secret, body.toString(), signature)).toBe(true)
  }
  const lines = linesOf(listener)
  expect(lines.map(({ sequence }) => sequence)).toEqual(payloads.map((_, index) => index + 1))
  expect(lines.map(({ text }) => text)).toEqual(payloads.map(({ text }) => text))
  expect(lines.every(({ forward }) => forward?.status === 204 && forward.error === null)).toBe(true)
  expect(listener.errors()).toContain(`Received ${payloads.length}, forwarded ${payloads.length}, failed 0.`)
})

test('method, path, query, header fields and bytes arrive as they were sent; what belongs to a connection does not', async () => {
  const source = await world.createSource('exact', { allowedMethods: ['POST', 'PUT', 'GET'] })
  const server = await startLocalServer()
  const listener = source.listen(['--forward', `${server.url}/?local=1`, '--json', '--exit-after', '3'])
  await listener.logs('Listening to')
  const headers = [
    'X-Twice',
    'b',
    'x-lower',
    '1',
    'X-Twice',
    'a',
    'Connection',
    'X-Hop',
    'X-Hop',
    '1',
    'TE',
    'trailers',
  ]
  const body = Buffer.from([0, 255, 10, 13, 123])
  await send(`${source.ingressUrl}/Orders//7%2f8?b=2&a=%20+1&b`, { method: 'PUT', headers, body })
  await send(`${source.ingressUrl}?q=1`, { method: 'GET', body: '' })
  await send(`${source.ingressUrl}/../../admin`)
  expect(await listener.exited).toEqual({ code: 0, signal: null })
  const [put, get, ...others] = server.requests
  expect(others).toEqual([])
  const ids = linesOf(listener).map(({ id }) => id)
  const host = new URL(server.url).host
  expect(put).toEqual({
    method: 'PUT',
    target: '/hook/Orders//7%2f8?local=1&b=2&a=%20+1&b',
    rawHeaders: [
      ...['Host', host, 'X-Twice', 'b', 'x-lower', '1', 'X-Twice', 'a'],
      ...[
        'Content-Length',
        String(Buffer.byteLength(body)),
        'Hookline-Message-Id',
        ids[0] ?? '',
        'Connection',
        'close',
      ],
    ],
    body,
  })
  expect(get).toEqual({
    method: 'GET',
    target: '/hook/?local=1&q=1',
    rawHeaders: ['Host', host, 'Hookline-Message-Id', ids[1], 'Connection', 'close'],
    body: Buffer.alloc(0),
  })
  expect(linesOf(listener)[2]?.forward?.error).toBe('not sent: its path leads out of the forward address')
})

test('a credential that the gateway checked is left out of what is sent on, and told once', async () => {
  const source = await world.createSource('bearer', { verification: { bearer: 'a-token-of-the-sender' } })
  const server = await startLocalServer()
  const listener = source.listen(['--forward', server.url, '--exit-after', '2'])
  await listener.logs('Listening to')
  const headers = ['Authorization', 'Bearer a-token-of-the-sender', 'X-Kept', '1']
  expect(await send(source.ingressUrl, { headers })).toBe(202)
  expect(await send(source.ingressUrl, { headers })).toBe(202)
  expect((await listener.exited).code).toBe(0)
  for (const { rawHeaders } of server.requests) {
    expect(rawHeaders).toContain('X-Kept')
    expect(rawHeaders).not.toContain('Authorization')
  }
  expect(listener.errors().match(/Left out of what is sent on: Authorization/g)).toHaveLength(1)
})

test('a local server that is away or fails is shown and counted, and never stops the stream', async () => {
  const source = await world.createSource('failing')
  const server = await startLocalServer(({ body }, response) => {
    const answers: Record<string, () => void> = {
      '"fails"': () => response.writeHead(500).end(),
      '"hangs up"': () => response.destroy(),
    }
    const answer = answers[body.toString()] ?? (() => response.writeHead(200).end('done'))
    answer()
  })
  const away = source.listen(['--forward', 'localhost:1/nobody', '--exit-after', '1'])
  const listener = source.listen(['--forward', server.url, '--json', '--exit-after', '3'])
  await Promise.all([away.logs('Listening'), listener.logs('Listening')])
  for (const body of ['"fails"', '"hangs up"', '"works"']) await send(source.ingressUrl, { body })
  expect((await listener.exited).code).toBe(0)
  expect(linesOf(listener).map(({ forward }) => [forward?.status, forward?.error === null])).toEqual([
    [500, true],
    [null, false],
    [200, true],
  ])
  expect(listener.errors()).toContain('Received 3, forwarded 1, failed 2.')
  expect((await away.exited).code).toBe(0)
  expect(away.output()).toMatch(/\tPOST \/\terror\t\d+ ms\tconnect ECONNREFUSED [^\t]+:1\n$/)
})

test('messages are sent on one at a time, in order', async () => {
  const source = await world.createSource('ordered')
  let open = 0
  let most = 0
  const server = await startLocalServer(async (_, response) => {
    open += 1
    most = Math.max(most, open)
    await new Promise((resolve) => setTimeout(resolve, 10))
    open -= 1
    response.writeHead(204).end()
  })
  const listener = source.listen(['--forward', server.url, '--exit-after', '20'])
  await listener.logs('Listening')
  for (let number = 1; number <= 20; number += 1) await send(source.ingressUrl, { body: String(number) })
  expect((await listener.exited).code).toBe(0)
  expect(most).toBe(1)
  expect(server.requests.map(({ body }) => Number(body))).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
})

test('--type and --filter show only what they ask for', async () => {
  const source = await world.createSource('filtered', { mapping: { type: { pointer: '/type' } } })
  const byType = source.listen(['--type', 'order.*,refund', '--json', '--exit-after', '2'])
  const filter = JSON.stringify({ not: { types: ['order.*'] } })
  const byFilter = source.listen(['--filter', filter, '--json', '--exit-after', '2'])
  await Promise.all([byType.logs('Listening'), byFilter.logs('Listening')])
  for (const type of ['order.created', 'cart', 'refund'])
    await send(source.ingressUrl, { body: JSON.stringify({ type }) })
  await Promise.all([byType.exited, byFilter.exited])
  expect(linesOf(byType).map(({ event }) => event.type)).toEqual(['order.created', 'refund'])
  expect(linesOf(byFilter).map(({ event }) => event.type)).toEqual(['cart', 'refund'])
})

test('a file or a program gets plain lines without colours; --print adds header fields and body', async () => {
  const source = await world.createSource('plain')
  const listener = source.listen(['--print', 'headers,body', '--exit-after', '1'])
  await listener.logs('Listening')
  await send(`${source.ingressUrl}/a?b=1`, { headers: ['X-One', '1'], body: '{"text":"\u001b[31mred"}' })
  expect((await listener.exited).code).toBe(0)
  expect(listener.output()).toMatch(
    /^\d{4}-\d\d-\d\dT[\d:.]+Z\tmsg_\w{26}\twebhook\t\d+\tPOST \/a\?b=1\n\nHost: .+\nX-One: 1\nContent-Length: \d+\n/,
  )
  expect(listener.output()).toContain('\n\n{"text":"\ufffd[31mred"}\n\n')
  expect(listener.output()).not.toContain('\u001b')
})

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s lets the message under way end, sums up and ends with 0',
  async (signal) => {
    const source = await world.createSource(`stopped-${signal.toLowerCase()}`)
    let release = () => {}
    const server = await startLocalServer((_, response) => {
      release = () => response.writeHead(204).end()
    })
    const listener = source.listen(['--forward', server.url])
    await listener.logs('Listening')
    await send(source.ingressUrl)
    await until(() => server.requests.length, 1)
    listener.child.kill(signal)
    release()
    expect(await listener.exited).toEqual({ code: 0, signal: null })
    expect(listener.output()).toMatch(/\t204\t/)
    expect(listener.errors()).toContain('Received 1, forwarded 1, failed 0.')
  },
)

test('a local server that hangs does not keep a listener from ending', async () => {
  const source = await world.createSource('hanging')
  const server = await startLocalServer(() => undefined)
  const listener = source.listen(['--forward', server.url])
  await listener.logs('Listening')
  await send(source.ingressUrl)
  await until(() => server.requests.length, 1)
  listener.child.kill('SIGINT')
  expect(await listener.exited).toEqual({ code: 0, signal: null })
  expect(listener.errors()).toContain('Received 1, forwarded 0, failed 1.')
})

test('a reader that has seen enough, such as head, ends it', async () => {
  const source = await world.createSource('head')
  const listener = source.listen([])
  await listener.logs('Listening')
  listener.child.stdout?.destroy()
  await send(source.ingressUrl)
  expect(await listener.exited).toEqual({ code: 0, signal: null })
})
