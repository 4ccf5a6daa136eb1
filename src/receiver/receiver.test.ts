import { expect, expectTypeOf, test } from 'vitest'
import { signedDelivery } from '../../test/support/signed-delivery.ts'
import { until } from '../../test/support/until.ts'
import type { HandledIds } from './handled-ids.ts'
import type { ReceivedEvent } from './received-event.ts'
import { createReceiver, type ReceiverOptions } from './receiver.ts'

const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const secrets = [secret]

const event = (type: string, id = 'msg_1') => signedDelivery(secret, JSON.stringify({ type, data: { n: 1 } }), { id })

interface Reported {
  readonly errors: unknown[]
  readonly options: ReceiverOptions
}

function reporting(options: Partial<ReceiverOptions> = {}): Reported {
  const errors: unknown[] = []
  return { errors, options: { secrets, onError: (error) => errors.push(error), ...options } }
}

/** Holds a handler until it is let go. */
function gate() {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  return { promise, open: () => resolve(), fail: (error: Error) => reject(error) }
}

test('an event goes to the first handler whose pattern fits', async () => {
  const seen: string[] = []
  const receiver = createReceiver(reporting().options)
    .on('order.created', ({ type }) => void seen.push(`exact ${type}`))
    .on('order.*', ({ type }) => void seen.push(`order ${type}`))
    .on('*', ({ type }) => void seen.push(`any ${type}`))
  for (const type of ['order.created', 'order.paid', 'user.created', '']) {
    expect(await receiver.receive(event(type, `msg_${type.replace('.', '_')}`))).toEqual({
      status: 200,
      outcome: 'accepted',
    })
  }
  expect(seen).toEqual(['exact order.created', 'order order.paid', 'any user.created', 'any '])
})

test('what no handler wants, or one does not want, is done all the same', async () => {
  const { options, errors } = reporting()
  const receiver = createReceiver(options).on('order.*', () => 'ignored')
  expect(await receiver.receive(event('user.created'))).toEqual({ status: 200, outcome: 'ignored' })
  expect(await receiver.receive(event('order.created'))).toEqual({ status: 200, outcome: 'ignored' })
  expect(errors).toEqual([])
})

test('handlers are given the payload of their types', async () => {
  interface Payloads {
    'order.created': { data: { n: number } }
  }
  const seen: number[] = []
  const receiver = createReceiver<Payloads>(reporting().options)
    .on('order.created', (received) => {
      expectTypeOf(received).toEqualTypeOf<ReceivedEvent<{ data: { n: number } }>>()
      seen.push(received.json().data.n)
    })
    .on('user.created', (received) => {
      expectTypeOf(received.json()).toBeUnknown()
    })
  await receiver.receive(event('order.created'))
  expect(seen).toEqual([1])
})

test('an event that comes again is handled once', async () => {
  let count = 0
  const receiver = createReceiver(reporting().options).on('*', () => {
    count += 1
  })
  const outcomes = []
  for (let attempt = 0; attempt < 3; attempt += 1)
    outcomes.push((await receiver.receive(event('order.created'))).outcome)
  expect(outcomes).toEqual(['accepted', 'duplicate', 'duplicate'])
  expect(count).toBe(1)
})

test('an event whose handler failed is handled when it comes again', async () => {
  const { options, errors } = reporting()
  const failures = [new Error('the table of orders is locked by anna'), new Error('again')]
  const [first, second] = failures
  const receiver = createReceiver(options).on('*', async () => {
    const failure = failures.shift()
    if (failure !== undefined) throw failure
  })
  const answers = []
  for (let attempt = 0; attempt < 4; attempt += 1) answers.push(await receiver.receive(event('order.created')))
  // The sender learns that it failed, and nothing else.
  const failed = { status: 500, outcome: 'failed', code: 'RECEIVER_FAILED' }
  expect(answers).toEqual([failed, failed, { status: 200, outcome: 'accepted' }, { status: 200, outcome: 'duplicate' }])
  expect(errors).toEqual([first, second])
})

test('an event that comes again while it is handled is not taken as done, since that may fail', async () => {
  const { options } = reporting()
  const running = gate()
  const receiver = createReceiver(options).on('*', () => running.promise)
  const first = receiver.receive(event('order.created'))
  expect(await receiver.receive(event('order.created'))).toEqual({
    status: 409,
    outcome: 'refused',
    code: 'EVENT_RUNNING',
  })
  running.fail(new Error('no'))
  expect((await first).status).toBe(500)
})

test('a payload that the handler cannot read is malformed', async () => {
  const { options, errors } = reporting()
  const receiver = createReceiver(options).on('*', (received) => void received.json())
  const answer = await receiver.receive(signedDelivery(secret, '<order/>'))
  expect(answer).toEqual({ status: 400, outcome: 'refused', code: 'PAYLOAD_MALFORMED' })
  expect(errors).toMatchObject([{ code: 'PAYLOAD_MALFORMED' }])
})

test('what is not signed reaches no handler, and is remembered by nobody', async () => {
  const refusals: string[] = []
  let count = 0
  const { options } = reporting({ onRefusal: ({ code, detail }) => refusals.push(`${code} ${detail}`) })
  const receiver = createReceiver(options).on('*', () => {
    count += 1
  })
  const genuine = event('order.created')
  const forged = { ...genuine, body: Buffer.from('{"type":"order.created"}') }
  expect(await receiver.receive(forged)).toEqual({ status: 401, outcome: 'refused', code: 'SIGNATURE_WRONG' })
  expect(refusals).toEqual(['SIGNATURE_WRONG No secret makes the signature in webhook-signature.'])
  expect(count).toBe(0)
  expect((await receiver.receive(genuine)).outcome).toBe('accepted')
})

test('a body over the limit is refused before anything is computed of it', async () => {
  const receiver = createReceiver(reporting({ maxBodyBytes: 4 }).options)
  const answer = await receiver.receive({ headers: {}, body: Buffer.from('hello') })
  expect(answer).toEqual({ status: 413, outcome: 'refused', code: 'BODY_TOO_LARGE' })
})

test('in the background an event is answered at once, and waited for at the end', async () => {
  const { options, errors } = reporting()
  const running = gate()
  const steps: string[] = []
  const receiver = createReceiver(options).on(
    '*',
    async () => {
      steps.push('begun')
      await running.promise
      steps.push('done')
    },
    { inBackground: true },
  )
  expect(await receiver.receive(event('order.created'))).toEqual({ status: 202, outcome: 'accepted' })
  expect(steps).toEqual([])
  await until(() => steps, ['begun'])
  const idle = receiver.whenIdle().then(() => steps.push('idle'))
  running.open()
  await idle
  expect(steps).toEqual(['begun', 'done', 'idle'])
  expect((await receiver.receive(event('order.created'))).outcome).toBe('duplicate')
  expect(errors).toEqual([])
})

test('what fails in the background is reported with its event, and is handled when it is sent once more', async () => {
  const reported: [unknown, string | undefined][] = []
  let hasFailed = false
  const receiver = createReceiver({ secrets, onError: (error, received) => reported.push([error, received?.id]) }).on(
    '*',
    () => {
      if (hasFailed) return
      hasFailed = true
      throw new Error('no')
    },
    { inBackground: true },
  )
  await receiver.receive(event('order.created'))
  await receiver.whenIdle()
  expect(reported).toEqual([[new Error('no'), 'msg_1']])
  expect(await receiver.receive(event('order.created'))).toEqual({ status: 202, outcome: 'accepted' })
  await receiver.whenIdle()
  expect((await receiver.receive(event('order.created'))).outcome).toBe('duplicate')
})

test('ids can be remembered elsewhere, and while that fails nothing is taken as done', async () => {
  const kept: string[] = []
  let isAway = true
  const handledIds: HandledIds = {
    async claim(id) {
      if (isAway) throw new Error('the store is away')
      return kept.includes(id) ? 'handled' : 'new'
    },
    async keep(id) {
      kept.push(id)
    },
    async release() {},
  }
  const { options, errors } = reporting({ handledIds })
  const receiver = createReceiver(options).on('*', () => undefined)
  expect((await receiver.receive(event('order.created'))).status).toBe(500)
  isAway = false
  expect((await receiver.receive(event('order.created'))).outcome).toBe('accepted')
  expect((await receiver.receive(event('order.created'))).outcome).toBe('duplicate')
  expect(kept).toEqual(['msg_1'])
  expect(errors).toEqual([new Error('the store is away')])
})

test('an event that was handled is done, though its id could not be kept', async () => {
  const { options, errors } = reporting({
    handledIds: {
      claim: () => 'new',
      keep: () => Promise.reject(new Error('the store is away')),
      release: () => undefined,
    },
  })
  const receiver = createReceiver(options).on('*', () => undefined)
  expect((await receiver.receive(event('order.created'))).outcome).toBe('accepted')
  expect(errors).toEqual([new Error('the store is away')])
})
