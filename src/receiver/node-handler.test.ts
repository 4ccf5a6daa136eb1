import { createServer, type RequestListener, request as startRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { afterEach, expect, test } from 'vitest'
import { signedDelivery } from '../../test/support/signed-delivery.ts'
import { until } from '../../test/support/until.ts'
import { nodeHandler } from './node-handler.ts'
import { createReceiver } from './receiver.ts'

const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const payload = JSON.stringify({ type: 'order.created', text: 'ü'.repeat(10_000) })

const closers: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

function receiverOf(maxBodyBytes = 100_000) {
  const errors: unknown[] = []
  const bodies: string[] = []
  const receiver = createReceiver({ secrets: [secret], maxBodyBytes, onError: (error) => errors.push(error) }).on(
    '*',
    ({ body }) => void bodies.push(Buffer.from(body).toString()),
  )
  return { handle: nodeHandler(receiver), errors, bodies }
}

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

async function send(url: string, text = payload): Promise<[number, unknown]> {
  const { headers, body } = signedDelivery(secret, text)
  const answer = await fetch(url, { method: 'POST', headers, body: new Uint8Array(body) })
  return [answer.status, await answer.json()]
}

test('a plain server handles what is signed and refuses the rest', async () => {
  const { handle, bodies } = receiverOf()
  const url = await listen(handle)
  expect(await send(url)).toEqual([200, { outcome: 'accepted' }])
  expect(await send(url)).toEqual([200, { outcome: 'duplicate' }])
  expect(bodies).toEqual([payload])
  const refused = await fetch(url, { method: 'POST', body: payload })
  expect([refused.status, await refused.json()]).toEqual([401, { outcome: 'refused', code: 'SIGNATURE_MISSING' }])
  expect((await fetch(url)).status).toBe(401)
})

test('a body over the limit is refused, and the connection can be used again', async () => {
  const { handle } = receiverOf(30_000)
  const url = await listen(handle)
  const body = new Uint8Array(3_000_000)
  const answer = await fetch(url, { method: 'POST', body })
  expect([answer.status, await answer.json()]).toEqual([413, { outcome: 'refused', code: 'BODY_TOO_LARGE' }])
  expect(await send(url)).toEqual([200, { outcome: 'accepted' }])
})

test('a sender that breaks off in the middle is no error', async () => {
  const { handle, errors } = receiverOf()
  let isOver = false
  const url = await listen(async (request, response) => {
    await handle(request, response)
    isOver = true
  })
  const request = startRequest(url, { method: 'POST', headers: { 'content-length': 100 } }).on('error', () => {})
  request.write('half', () => setImmediate(() => request.destroy()))
  await until(() => isOver, true)
  expect(errors).toEqual([])
})

const parsers: Record<string, express.RequestHandler[]> = {
  'without a parser': [],
  'behind express.raw': [express.raw({ type: '*/*' })],
  'behind express.json that passes it over': [express.json({ type: 'text/never' })],
  'behind a parser that keeps the bytes as rawBody': [
    express.json({
      verify(request, _response, buffer) {
        Object.assign(request, { rawBody: buffer })
      },
    }),
  ],
}

test.each(Object.keys(parsers))('in Express, %s, the bytes are verified as they came', async (name) => {
  const { handle, bodies, errors } = receiverOf()
  const app = express()
  app.post('/', ...(parsers[name] ?? []), handle)
  expect(await send(await listen(app))).toEqual([200, { outcome: 'accepted' }])
  expect(bodies).toEqual([payload])
  expect(errors).toEqual([])
})

test.each([
  ['express.json', express.json()],
  ['express.text', express.text({ type: '*/*' })],
])('behind %s the developer is told what to change, and the sender nothing', async (_name, parser) => {
  const { handle, errors } = receiverOf()
  const app = express()
  app.post('/', parser, handle)
  expect(await send(await listen(app))).toEqual([500, { outcome: 'failed', code: 'RECEIVER_FAILED' }])
  expect(errors).toMatchObject([{ code: 'BODY_ALREADY_READ', message: expect.stringContaining('express.raw') }])
})
