import { buffer } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { type Route, sendJson } from '../../src/http/index.ts'
import { CodedError } from '../../src/kernel/coded-error.ts'
import { openConnection, startServer } from './start-server.ts'

const token = 'Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE'

const ingress: Route = {
  template: '/in/:token/*',
  methods: ['POST', 'OPTIONS'],
  async handle(exchange) {
    const { request, params, rest, path, query, note } = exchange
    const body = await buffer(request)
    note({ messageId: 'msg_1', bodyBytes: body.length })
    sendJson(exchange, 202, { params, rest, path, query, body: body.toString('base64') })
  },
}

function throwing(error: unknown): Route {
  return {
    template: '/throw',
    methods: 'any',
    handle({ response }) {
      response.setHeader('set-cookie', 'half=done')
      throw error
    },
  }
}

test('a route gets its parameters, the raw rest, the raw query and the untouched body', async () => {
  const { url } = await startServer({ routes: [ingress] })
  const body = Buffer.from([0, 255, 10, 13])
  const answer = await fetch(`${url}/in/${token}/a%2Fb//c?x=%20&y`, { method: 'POST', body })
  expect(answer.status).toBe(202)
  expect(await answer.json()).toEqual({
    params: { token },
    rest: '/a%2Fb//c',
    path: `/in/${token}/a%2Fb//c`,
    query: 'x=%20&y',
    body: body.toString('base64'),
  })
  const bare = await fetch(`${url}/in/${token}`, { method: 'POST' })
  expect(await bare.json()).toMatchObject({ rest: '', query: null })
})

test('a request is logged once, by its template, with what its route noted and never with its token', async () => {
  const { url, line, lines } = await startServer({ routes: [ingress] })
  const answer = await fetch(`${url}/in/${token}?access_token=${token}`, { method: 'POST', body: 'abc' })
  const requestId = answer.headers.get('x-request-id')
  expect(requestId).toMatch(/^req_[0-9a-z]{26}$/)
  const logged = await line({ requestId })
  expect(logged).toMatchObject({
    route: '/in/:token/*',
    method: 'POST',
    status: 202,
    outcome: 'answered',
    remoteAddress: '127.0.0.1',
    messageId: 'msg_1',
    bodyBytes: 3,
    level: 'info',
  })
  expect(logged.durationMs).toEqual(expect.any(Number))
  expect(lines).toHaveLength(1)
  expect(JSON.stringify(lines)).not.toContain(token)
})

test('an unknown path is answered 404 and a wrong method 405 with the right ones', async () => {
  const reading: Route = {
    template: '/in/:token',
    methods: ['GET'],
    handle: ({ response }) => void response.end('read'),
  }
  const { url } = await startServer({ routes: [ingress, reading] })
  for (const path of ['/nowhere', '/in', '/in/', '//in/x', '/in%2Fx', '/healthz/']) {
    const answer = await fetch(url + path, { method: 'POST' })
    expect([path, answer.status]).toEqual([path, 404])
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    expect(await answer.json()).toMatchObject({
      status: 404,
      code: 'NOT_FOUND',
      title: 'Not Found',
      requestId: answer.headers.get('x-request-id'),
    })
  }
  const wrong = await fetch(`${url}/in/${token}`, { method: 'DELETE' })
  expect(wrong.status).toBe(405)
  expect(wrong.headers.get('allow')).toBe('POST, OPTIONS, GET, HEAD')
  expect(wrong.headers.get('referrer-policy')).toBe('no-referrer')
  expect(await wrong.json()).toMatchObject({ code: 'METHOD_NOT_ALLOWED' })
  expect(await (await fetch(`${url}/in/${token}`)).text()).toBe('read')
  const head = await fetch(`${url}/in/${token}`, { method: 'HEAD' })
  expect([head.status, await head.text()]).toEqual([200, ''])
})

test.each([
  ['UNAUTHENTICATED', 401],
  ['PAYLOAD_TOO_LARGE', 413],
  ['DATABASE_UNAVAILABLE', 503],
  ['SOMETHING_OF_OURS', 500],
])('a thrown %s is answered %i with its public text only', async (code, status) => {
  const error = new CodedError(code, 'Public.', { message: 'internal text', cause: new Error('cause') })
  const { url, line, lines } = await startServer({ routes: [throwing(error)] })
  const answer = await fetch(`${url}/throw`)
  const body = await answer.text()
  expect(answer.status).toBe(status)
  expect(JSON.parse(body)).toMatchObject({ code, detail: 'Public.' })
  expect(body).not.toMatch(/internal|cause/)
  expect(answer.headers.get('set-cookie')).toBeNull()
  expect(answer.headers.get('retry-after')).toBe(status === 503 ? '1' : null)
  const logged = await line({ status, code })
  expect(logged.err).toMatchObject({ message: expect.stringContaining('internal text') })
  expect(lines).toHaveLength(1)
})

test('an unexpected error is answered 500 without a word of it, and logged once', async () => {
  const { url, line, lines } = await startServer({ routes: [throwing(new TypeError('secret plan'))] })
  const answer = await fetch(`${url}/throw`)
  const body = await answer.text()
  expect(answer.status).toBe(500)
  expect(JSON.parse(body)).toMatchObject({ code: 'INTERNAL_ERROR' })
  expect(body).not.toMatch(/secret plan|TypeError/)
  expect(await line({ status: 500, level: 'error' })).toMatchObject({ err: { message: 'secret plan' } })
  expect(lines).toHaveLength(1)
})

test('an error in the middle of an answer cuts the connection', async () => {
  const half: Route = {
    template: '/half',
    methods: 'any',
    handle({ response }) {
      response.write('first half')
      throw new Error('no second half')
    },
  }
  const { url, line } = await startServer({ routes: [half] })
  await expect(fetch(`${url}/half`).then((answer) => answer.text())).rejects.toThrow()
  await line({ route: '/half', outcome: 'aborted' })
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
})

test('clients that leave at any point harm nobody', async () => {
  const stream: Route = {
    template: '/stream',
    methods: 'any',
    handle({ response }) {
      const timer = setInterval(() => response.write('x'.repeat(1_000)), 1)
      // Goes on writing for a while after the client left, as a careless handler would.
      response.once('close', () => setTimeout(() => clearInterval(timer), 30))
    },
  }
  const { port, url, line } = await startServer({ routes: [ingress, stream] })
  const sending = await openConnection(port)
  sending.send(`POST /in/${token} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc`)
  const receiving = await openConnection(port)
  receiving.send('GET /stream HTTP/1.1\r\nHost: a\r\n\r\n')
  await receiving.receives('xxx')
  sending.socket.resetAndDestroy()
  receiving.socket.resetAndDestroy()
  const silent = await openConnection(port)
  silent.socket.resetAndDestroy()
  await line({ route: '/in/:token/*', outcome: 'aborted', level: 'info' })
  await line({ route: '/stream', outcome: 'aborted' })
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
})

test('paths that no route knows go to the fallback where its template fits, and / leads there', async () => {
  const fallback: Route = {
    template: '/graphql/*',
    methods: 'any',
    handle: ({ response }) => void response.end('graphql'),
  }
  const { url } = await startServer({ routes: [ingress], fallback })
  expect(await (await fetch(`${url}/graphql`)).text()).toBe('graphql')
  expect(await (await fetch(`${url}/graphql/stream?x`, { method: 'POST' })).text()).toBe('graphql')
  expect((await fetch(`${url}/elsewhere`)).status).toBe(404)
  const home = await fetch(url, { redirect: 'manual' })
  expect([home.status, home.headers.get('location')]).toEqual([302, '/graphql'])
})

test('a malformed route template is refused at creation', async () => {
  for (const template of ['in', '/in/*/x', '/in/(.*)', '/in/']) {
    await expect(startServer({ routes: [{ ...ingress, template }] })).rejects.toThrow(RangeError)
  }
})
