import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { createDeliveryWorld, type DeliveryWorld } from '../../test/support/delivery-world.ts'
import { type EndpointState, readStates, resume } from '../endpoints/endpoint-state.ts'
import { type EndpointId, newId, type ProjectId } from '../kernel/ids.ts'
import type { DeliveryDecision } from './decide-next.ts'
import { createEndpointWatch, type EndpointChange, type EndpointWatch } from './endpoint-changes.ts'
import { type Lease, takeLease } from './lease.ts'
import { type Settled, type Settlement, settle } from './settle.ts'

let world: DeliveryWorld
let projectId: ProjectId
let endpointId: EndpointId
let lease: Lease
let watch: EndpointWatch
let changes: EndpointChange['kind'][]

beforeAll(async () => {
  world = await createDeliveryWorld()
})

afterAll(() => world.close())

beforeEach(async () => {
  changes = []
  watch = createEndpointWatch({ sql: world.sql, onEndpointChanged: ({ kind }) => void changes.push(kind) })
  projectId = await world.createProject()
  endpointId = (await world.createEndpoint(projectId, 'http://127.0.0.1/')).id
  lease = await takenLease()
})

afterEach(() => world.reset())

async function takenLease(): Promise<Lease> {
  const taken = await takeLease(world.sql, endpointId, 'me')
  if (taken === null) throw new Error('the endpoint is held or held back')
  return taken
}

/** What receivers answer; null: nothing. */
type Answer = number | null

interface Over {
  readonly isProbe?: boolean
  readonly throttleMs?: number
  readonly startedAt?: Date
  readonly lease?: Lease
}

/** Settles one attempt at a new delivery for each answer, in one batch. */
async function answers(given: readonly Answer[], over: Over = {}): Promise<Settled[]> {
  const ids = given.map(() => newId('dlv'))
  await world.sql.query(
    `insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, status, next_attempt_at,
                             created_at, updated_at)
     select id, $2, 'src', 1, 'msg_' || id, $3, 'pending', now(), now(), now() from unnest($1::text[]) as d (id)`,
    [ids, projectId, endpointId],
  )
  const batch = given.map((status, place): Settlement => {
    const isDelivered = status === 200
    return {
      attemptId: newId('att'),
      deliveryId: ids[place] ?? newId('dlv'),
      lease: over.lease ?? lease,
      attemptNumber: 1,
      outcome: {
        startedAt: over.startedAt ?? new Date(),
        durationMs: 1,
        response:
          status === null ? null : { status, headers: [], body: Buffer.of(), isTruncated: false, announcedBytes: 0 },
        failure: isDelivered ? null : 'STATUS',
        failureDetail: null,
        retryAfter: null,
      },
      decision: {
        ...decisionOf(status),
        throttleMs: over.throttleMs ?? null,
      },
      isProbe: over.isProbe ?? false,
    }
  })
  const settled = await settle(world.sql, batch, { instanceId: 'me', lockedRows: 'skip' })
  watch.afterBatch(batch, settled)
  for (const one of batch) {
    const result = settled.find(({ deliveryId }) => deliveryId === one.deliveryId)
    if (result !== undefined) await watch.afterAttempt({ disableAfterMs: 120 * 3_600_000 }, one, result)
  }
  return settled
}

function decisionOf(status: Answer): DeliveryDecision {
  if (status === 200) return { kind: 'delivered' }
  return status === 410 ? { kind: 'failed', isGone: true } : { kind: 'retry', delayMs: 60_000 }
}

const times = (count: number, answer: Answer): Answer[] => Array.from({ length: count }, () => answer)

async function state(): Promise<EndpointState> {
  const found = (await readStates(world.sql, [endpointId])).get(endpointId)
  if (found === undefined) throw new Error('no state')
  return found
}

const passTime = (column: 'next_probe_at' | 'throttled_until') =>
  world.sql.query(`update endpoint_states set ${column} = now() - interval '1 ms'`)

/** Seconds from now. */
const secondsTo = (at: Date | null) => ((at?.getTime() ?? 0) - Date.now()) / 1000

test('failures are counted from the last success, in the order in which the answers came', async () => {
  await answers([500, 404])
  expect(await state()).toMatchObject({ consecutiveFailureCount: 2, failingSince: expect.any(Date), breaker: 'closed' })
  await answers([500, 200, 404])
  expect(await state()).toMatchObject({ consecutiveFailureCount: 1 })
  await answers([404, 200])
  expect(await state()).toMatchObject({ consecutiveFailureCount: 0, failingSince: null })
})

test('an endpoint fails since its first failure began, not since its last', async () => {
  const startedAt = new Date(Date.now() - 3_600_000)
  await answers([500], { startedAt })
  await answers([500])
  expect((await state()).failingSince).toEqual(startedAt)
})

test('ten failures in a row open the breaker; nine do not', async () => {
  expect((await answers(times(9, 500))).every(({ maySend }) => maySend)).toBe(true)
  expect(await state()).toMatchObject({ breaker: 'closed', nextProbeAt: null })
  expect(await answers([null])).toMatchObject([{ maySend: false, breakerBefore: 'closed', breaker: 'open' }])
  const { nextProbeAt } = await state()
  expect(secondsTo(nextProbeAt)).toBeGreaterThan(0)
  expect(secondsTo(nextProbeAt)).toBeLessThan(1.1)
})

test('answers that refuse the messages open no breaker, however many', async () => {
  expect((await answers([...times(30, 400), ...times(30, 422)])).every(({ maySend }) => maySend)).toBe(true)
  expect(await state()).toMatchObject({ consecutiveFailureCount: 60, breaker: 'closed' })
})

test('each failed probe doubles the wait, up to five minutes', async () => {
  await answers(times(10, null))
  const waits: number[] = []
  for (let i = 0; i < 10; i += 1) {
    await passTime('next_probe_at')
    expect(await state()).toMatchObject({ breaker: 'half-open', nextProbeAt: null })
    await answers([503], { isProbe: true })
    waits.push(Math.round(secondsTo((await state()).nextProbeAt)))
  }
  expect(waits).toEqual([2, 4, 8, 16, 32, 64, 128, 256, 300, 300])
})

test('what was under way when the breaker opened makes no probe wait longer', async () => {
  await answers(times(10, 500))
  const before = await state()
  await answers(times(6, 500))
  expect((await state()).nextProbeAt).toEqual(before.nextProbeAt)
})

test.each([200, 404])('a probe that is answered with %i closes the breaker', async (status) => {
  await answers(times(10, 500))
  await passTime('next_probe_at')
  const settled = await answers([status], { isProbe: true })
  expect(settled).toMatchObject([{ maySend: true, breakerBefore: 'open', breaker: 'closed' }])
  expect(await state()).toMatchObject({ breaker: 'closed', nextProbeAt: null })
  await answers(times(10, 500))
  expect(secondsTo((await state()).nextProbeAt)).toBeLessThan(1.1)
})

test('nobody takes the lease of an endpoint that is held back', async () => {
  const release = () => world.sql.query(`update endpoint_states set lease_expires_at = null`)
  await answers([429], { throttleMs: 60_000 })
  expect(secondsTo((await state()).throttledUntil)).toBeGreaterThan(55)
  await release()
  expect(await takeLease(world.sql, endpointId, 'me')).toBeNull()
  await passTime('throttled_until')
  expect(await state()).toMatchObject({ throttledUntil: null })
  lease = await takenLease()
  await answers(times(10, 500))
  await release()
  expect(await takeLease(world.sql, endpointId, 'me')).toBeNull()
  await passTime('next_probe_at')
  expect(await takeLease(world.sql, endpointId, 'me')).toMatchObject({ isProbing: true })
})

test('a shorter throttle does not cut a longer one short', async () => {
  await answers([429], { throttleMs: 60_000 })
  await answers([503], { throttleMs: 1_000 })
  await answers([200])
  expect(secondsTo((await state()).throttledUntil)).toBeGreaterThan(55)
})

test('outcomes that began before the endpoint was resumed do not count against it', async () => {
  await answers(times(10, 500))
  await resume(world.sql, endpointId)
  expect(await state()).toMatchObject({ status: 'active', breaker: 'closed', consecutiveFailureCount: 0 })
  const settled = await answers(times(10, 500), { startedAt: new Date(Date.now() - 1_000), throttleMs: 60_000 })
  expect(settled.every(({ counts, status }) => !counts && status === 'retrying')).toBe(true)
  expect(await state()).toMatchObject({ consecutiveFailureCount: 0, breaker: 'closed', throttledUntil: null })
  await answers([500])
  expect(await state()).toMatchObject({ consecutiveFailureCount: 1 })
})

test('outcomes under a lease that is another’s tell nothing of the endpoint', async () => {
  await answers(times(20, 500), { lease: { ...lease, number: lease.number - 1 }, throttleMs: 60_000 })
  expect(await state()).toMatchObject({ consecutiveFailureCount: 0, breaker: 'closed', throttledUntil: null })
})

test('an endpoint that delivers is not written to', async () => {
  const version = async () => await world.sql.query(`select ctid::text from endpoint_states`)
  const before = await version()
  await answers(times(5, 200))
  expect(await version()).toEqual(before)
})

test('who wants to know is told once when a breaker opens, and when it closes', async () => {
  await answers(times(25, 500))
  await answers(times(5, 500))
  expect(changes).toEqual(['breaker-opened'])
  await answers([200, 200], { isProbe: true })
  expect(changes).toEqual(['breaker-opened', 'breaker-closed'])
})

test('an endpoint that answers 410 is disabled, and who wants to know is told', async () => {
  await answers([410, 410])
  expect(await state()).toMatchObject({ status: 'disabled', disabledReason: expect.stringContaining('410') })
  expect(changes).toEqual(['delivery-exhausted', 'delivery-exhausted', 'endpoint-disabled'])
})

test('a failure after so many hours of nothing else disables the endpoint, and none before', async () => {
  const before = (hours: number) => new Date(Date.now() - hours * 3_600_000)
  await answers([500], { startedAt: before(121) })
  await answers([500], { startedAt: before(2) })
  expect(await state()).toMatchObject({ status: 'active' })
  await answers([200], { startedAt: before(1) })
  await answers([500])
  expect(await state()).toMatchObject({ status: 'active' })
  await world.sql.query(`update endpoint_states set failing_since = now() - interval '120 hours 1 second'`)
  await answers([404])
  expect(await state()).toMatchObject({ status: 'disabled', disabledReason: expect.stringContaining('120 hours') })
  expect(changes).toEqual(['endpoint-disabled'])
})

test('a 410 to a request from before the endpoint was resumed disables nothing', async () => {
  await resume(world.sql, endpointId)
  await answers([410], { startedAt: new Date(Date.now() - 1_000) })
  expect(await state()).toMatchObject({ status: 'active' })
})
