import { expect, test } from 'vitest'
import { type SignedDelivery, signedDelivery } from '../../test/support/signed-delivery.ts'
import { fetchHandler } from './fetch-handler.ts'
import { createReceiver } from './receiver.ts'

const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`

function world(maxBodyBytes?: number) {
  const errors: unknown[] = []
  const bodies: string[] = []
  const limit = maxBodyBytes === undefined ? {} : { maxBodyBytes }
  const receiver = createReceiver({ secrets: [secret], onError: (error) => errors.push(error), ...limit }).on(
    '*',
    ({ body }) => void bodies.push(Buffer.from(body).toString()),
  )
  return { handle: fetchHandler(receiver), errors, bodies }
}

const requestOf = ({ headers, body }: SignedDelivery) =>
  new Request('http://test/', { method: 'POST', headers, body: new Uint8Array(body) })

test('a signed request is handled, one that is not is refused', async () => {
  const { handle, bodies } = world()
  const payload = JSON.stringify({ type: 'a', text: 'ü'.repeat(10_000) })
  const answer = await handle(requestOf(signedDelivery(secret, payload)))
  expect([answer.status, await answer.json()]).toEqual([200, { outcome: 'accepted' }])
  expect(bodies).toEqual([payload])
  const refused = await handle(new Request('http://test/'))
  expect([refused.status, await refused.json()]).toEqual([401, { outcome: 'refused', code: 'SIGNATURE_MISSING' }])
})

test('a body without end is not read to it', async () => {
  const { handle } = world(10_000)
  let pulled = 0
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled += 1
      controller.enqueue(new Uint8Array(1_000))
    },
  })
  const init: RequestInit & { duplex: 'half' } = { method: 'POST', body: endless, duplex: 'half' }
  const answer = await handle(new Request('http://test/', init))
  expect(answer.status).toBe(413)
  expect(pulled).toBeLessThan(20)
})

test('a body that was read before is told to the developer, not to the sender', async () => {
  const { handle, errors } = world()
  const request = requestOf(signedDelivery(secret, '{}'))
  await request.json()
  const answer = await handle(request)
  expect([answer.status, await answer.json()]).toEqual([500, { outcome: 'failed', code: 'RECEIVER_FAILED' }])
  expect(errors).toMatchObject([{ code: 'BODY_ALREADY_READ', message: expect.stringContaining('express.raw') }])
})
