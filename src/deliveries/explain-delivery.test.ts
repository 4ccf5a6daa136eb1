import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDeliveryWorld, type DeliveryWorld } from '../../test/support/delivery-world.ts'
import { type Reach, wholeProject } from '../auth/viewer.ts'
import { type EndpointId, isId, type MessageId, newId, type ProjectId, type SourceId } from '../kernel/ids.ts'
import { createMessageStore } from '../messages/index.ts'
import type { MessageFilter } from '../messages/message-filter-input.ts'
import { type DeliveryExplanation, explainDelivery } from './explain-delivery.ts'

let world: DeliveryWorld
let projectId: ProjectId
let sourceId: SourceId
let messageId: MessageId

// Nobody delivers: what there is, is what a test says.
beforeAll(async () => {
  world = await createDeliveryWorld()
  projectId = await world.createProject()
  sourceId = await world.createSource(projectId)
  const [id = ''] = await world.publish(sourceId, 1, {
    body: Buffer.from('{"order":7}'),
    contentType: 'application/json',
  })
  if (!isId('msg', id)) throw new Error('no message')
  messageId = id
  await fanOutTo(1)
})
afterAll(() => world.close())

async function fanOutTo(sequence: number): Promise<void> {
  await world.sql.query(`update fan_out_marks set fanned_out_to = $2 where source_id = $1`, [sourceId, sequence])
}

/** An endpoint from before the message. */
async function newEndpoint(filter: MessageFilter | string | null = null, sourceIds: SourceId[] | null = null) {
  const { id } = await world.createEndpoint(projectId, 'http://127.0.0.1:9/', sourceIds)
  const text = typeof filter === 'string' || filter === null ? filter : JSON.stringify(filter)
  await world.sql.query(`update endpoints set filter = $2, created_at = now() - interval '1 hour' where id = $1`, [
    id,
    text,
  ])
  return id
}

async function newDelivery(endpointId: EndpointId, status: string, attemptCount = 0): Promise<string> {
  const isOpen = status === 'pending' || status === 'retrying'
  const id = newId('dlv')
  await world.sql.query(
    `insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, operation_id, status,
                             attempt_count, next_attempt_at, created_at, updated_at)
     values ($1, $2, $3, 1, $4, $5, $6, $7, $8, case when $9 then now() + interval '1 hour' end, now(), now())`,
    [id, projectId, sourceId, messageId, endpointId, newId('opr'), status, attemptCount, isOpen],
  )
  return id
}

interface Asking {
  readonly reach?: Reach
  readonly isMessageKept?: boolean
}

async function explain(endpointId: EndpointId, asking: Asking = {}): Promise<DeliveryExplanation | null> {
  const { reach = wholeProject(projectId), isMessageKept = true } = asking
  const found = await createMessageStore(world.sql).byIds(projectId, [messageId], 1_000)
  const message = isMessageKept ? (found.messages[0] ?? null) : null
  return await explainDelivery(world.sql, reach, { endpointId, messageId, message })
}

test.each([
  ['delivered', 1, /one attempt/],
  ['failed', 3, /3 attempts.*retryDelivery/],
  ['canceled', 0, /called off/],
  ['expired', 0, /Retention/],
  ['retrying', 2, /2 attempts in vain.* at 20/],
  ['pending', 0, /about to be attempted/],
])('a delivery that is %s says so, and what can be done', async (status, attempts, summary) => {
  const endpointId = await newEndpoint({ data: { pointer: '/order', value: 7 } })
  const id = await newDelivery(endpointId, status, attempts)
  const explanation = await explain(endpointId)
  expect(explanation).toMatchObject({ verdict: status, delivery: { id, attemptCount: attempts } })
  expect(explanation?.summary).toMatch(summary)
  expect(explanation?.trace).toEqual([
    { at: 'sourceIds', test: 'the endpoint gets the source', found: '', isMatch: true },
    { at: 'filter.data', test: '/order = 7', found: '7', isMatch: true },
  ])
})

test.each([
  [`status = 'paused'`, /paused: resumeEndpoint/],
  [`status = 'disabled', disabled_reason = 'It answered 410.'`, /It answered 410/],
  [`throttled_until = now() + interval '1 minute'`, /asked for a pause.* at 20/],
  [`breaker = 'open', next_probe_at = now() + interval '1 minute'`, /next one goes at 20.*diagnoseEndpoint/],
  [`breaker = 'open', next_probe_at = now()`, /one goes now/],
])('a delivery that waits is held back by the state of its endpoint: %s', async (state, summary) => {
  const endpointId = await newEndpoint()
  await world.sql.query(`update endpoint_states set ${state} where endpoint_id = $1`, [endpointId])
  await newDelivery(endpointId, 'retrying', 1)
  const explanation = await explain(endpointId)
  expect(explanation?.verdict).toBe('held-back')
  expect(explanation?.summary).toMatch(summary)
})

test('of several deliveries the latest counts', async () => {
  const endpointId = await newEndpoint()
  await newDelivery(endpointId, 'failed', 1)
  const id = await newDelivery(endpointId, 'delivered', 1)
  expect(await explain(endpointId)).toMatchObject({ verdict: 'delivered', delivery: { id } })
})

test('a message that retention has reached before its delivery leaves this expired', async () => {
  const endpointId = await newEndpoint()
  await newDelivery(endpointId, 'pending')
  expect(await explain(endpointId, { isMessageKept: false })).toMatchObject({ verdict: 'expired', trace: [] })
})

test('a message that was not matched yet is told from one that does not match', async () => {
  const endpointId = await newEndpoint({ types: ['order.*'] })
  await fanOutTo(0)
  const early = await explain(endpointId)
  await fanOutTo(1)
  expect(early).toMatchObject({ verdict: 'not-yet-matched', delivery: null })
  expect(early?.trace).toEqual([{ at: 'fanOut', test: 'the source is matched up to 0', found: '1', isMatch: false }])
  expect(await explain(endpointId)).toMatchObject({ verdict: 'filtered-out' })
})

test('an endpoint of other sources gets none of this one', async () => {
  const explanation = await explain(await newEndpoint(null, [newId('src')]))
  expect(explanation).toMatchObject({ verdict: 'other-sources', delivery: null })
  expect(explanation?.trace.map(({ at, isMatch }) => [at, isMatch])).toEqual([
    ['fanOut', true],
    ['sourceIds', false],
  ])
})

test('a filter shows by which test it keeps a message out', async () => {
  const filter = { all: [{ types: ['webhook'] }, { any: [{ exact: { name: 'subject', value: 'order/7' } }] }] }
  const explanation = await explain(await newEndpoint(filter))
  expect(explanation?.verdict).toBe('filtered-out')
  expect(explanation?.trace.map(({ at, isMatch }) => [at, isMatch])).toEqual([
    ['fanOut', true],
    ['sourceIds', true],
    ['filter.all.0.types', true],
    ['filter.all.1.any.0.exact', false],
    ['filter.all.1.any', false],
    ['filter.all', false],
  ])
})

test.each(['no JSON', '{}', '{"data":{"pointer":"no pointer","value":1}}'])(
  'a stored filter that cannot be evaluated is named: %s',
  async (filter) => {
    const explanation = await explain(await newEndpoint(filter))
    expect(explanation).toMatchObject({ verdict: 'filter-failed', delivery: null })
    expect(explanation?.trace.at(-1)).toMatchObject({ at: 'filter', isMatch: false })
  },
)

test('an endpoint that came after the message is told from one that was changed', async () => {
  const endpointId = await newEndpoint({ types: ['*'] })
  const changed = await explain(endpointId)
  expect(changed).toMatchObject({ verdict: 'endpoint-changed', delivery: null })
  await world.sql.query(`update endpoints set created_at = now() + interval '1 hour' where id = $1`, [endpointId])
  const newer = await explain(endpointId)
  expect(newer).toMatchObject({ verdict: 'endpoint-is-newer' })
  expect(newer?.trace.at(-1)).toMatchObject({ at: 'createdAt', isMatch: false })
  for (const { summary } of [changed, newer].filter((one) => one !== null)) expect(summary).toContain('replayMessages')
})

test('the largest filter is told in full: 103 tests', async () => {
  const filter = { all: Array.from({ length: 99 }, () => ({ types: ['*'] })) }
  expect((await explain(await newEndpoint(filter)))?.trace).toHaveLength(103)
})

test('nothing is told of the endpoints of others, nor of deliveries from sources that the caller does not see', async () => {
  const endpointId = await newEndpoint()
  expect(await explain(endpointId, { reach: wholeProject(newId('prj')) })).toBeNull()
  expect(await explain(newId('ept'))).toBeNull()
  expect(await explain(endpointId, { isMessageKept: false })).toBeNull()
  await newDelivery(endpointId, 'pending')
  const reach = { projectId, sourceIds: new Set([newId('src')]) }
  expect(await explain(endpointId, { reach, isMessageKept: false })).toBeNull()
})
