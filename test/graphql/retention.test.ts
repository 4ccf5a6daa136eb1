import { expect, test } from 'vitest'
import { dropMessages } from '../../src/retention/drop-messages.ts'
import { moveFloor } from '../../src/retention/floor.ts'
import { until } from '../support/until.ts'
import { codesOf, dataOf, type Loose, overWebSocket, run } from './client.ts'
import { gatewayOfTest } from './gateway.ts'

const page = `query ($id: ID!, $order: ListOrder!, $after: Cursor) {
  source(by: { id: $id }) {
    firstSequence
    lastSequence
    messages(first: 3, order: $order, after: $after) {
      nodes { sequence }
      edges { cursor }
      pageInfo { hasNextPage endCursor }
    }
  }
}`

const sequencesIn = (source: Loose): number[] => source.messages.nodes.map((node: Loose) => node.sequence)

test('what retention drops is gone for pages, single messages, deliveries and streams alike', async () => {
  const gateway = await gatewayOfTest()
  const project = await gateway.newProject()
  const source = await project.source()
  const target = { baseUrl: gateway.baseUrl, token: (await project.key(['admin'])).token }
  // Nobody listens there.
  await project.endpoint('http://127.0.0.1:9/')
  const messages = []
  for (let index = 0; index < 10; index += 1) messages.push(await project.message(source))
  const retrying = `{ deliveries(filter: { statuses: [RETRYING] }) { nodes { id } } }`
  await until(async () => (await dataOf(target, retrying)).deliveries.nodes.length, 10)
  const read = async (order: string, after: string | null = null): Promise<Loose> =>
    (await dataOf(target, page, { id: source.id, order, after })).source
  const [earliest] = (await read('OLDEST_FIRST')).messages.edges

  await gateway.sql.query(`update sources set retention = '{"maxMessages": 4}' where id = $1`, [source.id])
  expect(await moveFloor(gateway.sql, source.id, null)).toBe(7)
  const newest = await read('NEWEST_FIRST')
  expect(newest).toMatchObject({ firstSequence: 7, lastSequence: 10, messages: { pageInfo: { hasNextPage: true } } })
  expect(sequencesIn(newest)).toEqual([10, 9, 8])
  const last = await read('NEWEST_FIRST', newest.messages.pageInfo.endCursor)
  expect(sequencesIn(last)).toEqual([7])
  expect(last.messages.pageInfo.hasNextPage).toBe(false)
  expect(sequencesIn(await read('OLDEST_FIRST'))).toEqual([7, 8, 9])
  const behind = await run(target, page, { id: source.id, order: 'OLDEST_FIRST', after: earliest.cursor })
  expect(codesOf(behind)).toEqual(['CURSOR_EXPIRED'])

  await dropMessages(gateway.sql, { sourceId: source.id, after: 0, below: 7, status: 'expired' })
  const { deliveries, gone, kept } = await dataOf(
    target,
    `query ($gone: ID!, $kept: ID!) {
      deliveries(filter: { statuses: [EXPIRED] }) { nodes { status nextAttemptAt message { id } attempts { nodes { number } } } }
      gone: node(id: $gone) { id }
      kept: node(id: $kept) { id }
    }`,
    { gone: messages[5]?.id, kept: messages[6]?.id },
  )
  expect(deliveries.nodes).toHaveLength(6)
  expect(deliveries.nodes[0]).toMatchObject({ status: 'EXPIRED', nextAttemptAt: null, message: null })
  expect(deliveries.nodes[0].attempts.nodes.length).toBeGreaterThan(0)
  expect([gone, kept]).toEqual([null, { id: messages[6]?.id }])

  const stream = overWebSocket(
    target,
    `subscription ($id: ID!, $after: [Cursor!]) {
      messageReceived(sourceIds: [$id], after: $after) {
        __typename
        ... on MessagesSkipped { reason fromSequence toSequence }
        ... on MessageReceived { message { sequence } }
      }
    }`,
    { id: source.id, after: [earliest.cursor] },
  )
  const next = async () => (await stream.next()).data.messageReceived
  expect(await next()).toEqual({ __typename: 'MessagesSkipped', reason: 'RETENTION', fromSequence: 2, toSequence: 6 })
  expect(await next()).toEqual({ __typename: 'MessageReceived', message: { sequence: 7 } })
})
