import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { watchReader } from './stalled-reader.ts'

const stalledMs = 1_000
const server = createServer()
let reader: Socket
let response: ServerResponse

beforeEach(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  reader = connect((server.address() as AddressInfo).port, '127.0.0.1')
  reader.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  response = (await once(server, 'request'))[1]
})
afterEach(async () => {
  reader.destroy()
  response.destroy()
  await new Promise((resolve) => server.close(resolve))
})

test('a reader who takes the beginning and nothing more is stalled after that time, not after twice as long', async () => {
  const beganMs = performance.now()
  await new Promise<void>((resolve) => {
    const isWaiting = () => response.writableLength > 0
    watchReader(response, { stalledMs, isWaiting, onStalled: resolve })()
    response.write(Buffer.alloc(20_000_000))
  })
  const tookMs = performance.now() - beganMs
  expect(tookMs).toBeGreaterThanOrEqual(stalledMs * 0.99)
  expect(tookMs).toBeLessThan(stalledMs * 1.8)
})
