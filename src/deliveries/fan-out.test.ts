import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDeliveryWorld, type DeliveryWorld, record, until } from '../../test/support/delivery-world.ts'
import { withTransaction } from '../db/sql.ts'
import type { EndpointId, ProjectId, SourceId } from '../kernel/ids.ts'

let world: DeliveryWorld

beforeAll(async () => {
  world = await createDeliveryWorld()
  await world.startWorker()
})

afterAll(() => world.close())

/** A project whose endpoints have these filters, all at one receiver. */
async function projectWith(...filters: (object | string | null)[]) {
  const receiver = await world.startReceiver()
  const projectId = await world.createProject()
  const sourceId = await world.createSource(projectId)
  const endpointIds: EndpointId[] = []
  for (const filter of filters) {
    const { id } = await world.createEndpoint(projectId, receiver.url)
    const text = typeof filter === 'string' ? filter : JSON.stringify(filter)
    await world.sql.query(`update endpoints set filter = $1 where id = $2`, [filter === null ? null : text, id])
    endpointIds.push(id)
  }
  return { projectId, sourceId, endpointIds }
}

async function isFannedOut(sourceId: SourceId): Promise<void> {
  await until(async () => {
    const marks = await world.sql.query<{ behind: number }>(
      `select h.last_sequence - m.fanned_out_to as behind
         from source_heads as h
         join fan_out_marks as m on m.source_id = h.source_id
        where h.source_id = $1`,
      [sourceId],
    )
    expect(marks).toEqual([{ behind: 0 }])
  })
}

/** Sequences of the deliveries of each endpoint. */
async function deliveredTo(projectId: ProjectId, endpointIds: readonly EndpointId[]): Promise<number[][]> {
  const rows = await world.sql.query<{ endpoint_id: EndpointId; sequence: number }>(
    `select endpoint_id, sequence from deliveries where project_id = $1 order by id`,
    [projectId],
  )
  return endpointIds.map((id) => rows.filter((row) => row.endpoint_id === id).map((row) => row.sequence))
}

const large = (n: number) => Buffer.from(`{"n":${n},"pad":"${'x'.repeat(2_500_000)}"}`)

test('messages reach the endpoints whose filters they match, in order, over pages of any size', async () => {
  const { projectId, sourceId, endpointIds } = await projectWith(
    null,
    { data: { pointer: '/n', value: 2 } },
    { types: ['nothing'] },
    { not: { header: { name: 'x-a', value: '1' } } },
  )
  await withTransaction(world.pool, async (sql) => {
    for (const n of [1, 2, 3]) await record(world.queue, sql, { sourceId, message: { body: large(n) } })
  })
  await isFannedOut(sourceId)
  expect(await deliveredTo(projectId, endpointIds)).toEqual([[1, 2, 3], [2], [], [1, 2, 3]])
})

test('filters without bodies pass a thousand messages and more', async () => {
  const { projectId, sourceId, endpointIds } = await projectWith({ types: ['nothing'] }, { types: ['webhook'] })
  await world.publish(sourceId, 1_200)
  await isFannedOut(sourceId)
  const all = Array.from({ length: 1_200 }, (_, index) => index + 1)
  expect(await deliveredTo(projectId, endpointIds)).toEqual([[], all])
})

test('a message or a filter that is broken harms nothing but their own deliveries', async () => {
  const { projectId, sourceId, endpointIds } = await projectWith(
    { not: { header: { name: 'x-a', value: '1' } } },
    { types: ['webhook'] },
    'poison',
  )
  await withTransaction(world.pool, async (sql) => {
    await record(world.queue, sql, { sourceId, count: 3 })
    await sql.query(`update messages set headers = 'poison' where source_id = $1 and sequence = 2`, [sourceId])
  })
  await isFannedOut(sourceId)
  expect(await deliveredTo(projectId, endpointIds)).toEqual([[1, 3], [1, 2, 3], []])
  await until(async () => expect(await world.statuses()).not.toHaveProperty('pending'))
})

test('deliveries of a paused endpoint wait, and nobody is bothered with them', async () => {
  const { projectId, sourceId, endpointIds } = await projectWith(null, null)
  const [paused] = endpointIds
  await world.sql.query(`update endpoint_states set status = 'paused' where endpoint_id = $1`, [paused])
  await world.publish(sourceId, 2)
  await isFannedOut(sourceId)
  expect(await deliveredTo(projectId, endpointIds)).toEqual([
    [1, 2],
    [1, 2],
  ])
  const ofProject = `select count(*)::int as count, status from deliveries where project_id = $1 group by status order by status`
  await until(async () =>
    expect(await world.sql.query(ofProject, [projectId])).toEqual([
      { count: 2, status: 'delivered' },
      { count: 2, status: 'pending' },
    ]),
  )
  const leases = `select lease_number from endpoint_states where endpoint_id = $1`
  expect(await world.sql.query(leases, [paused])).toEqual([{ lease_number: 0 }])
})
