import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { counters } from '../../src/rollups/index.ts'
import { startReceiver } from '../support/receiver.ts'
import { until } from '../support/until.ts'
import { codesOf, dataOf, type Loose, overWebSocket, run, type Target } from './client.ts'
import { type Gateway, type Project, startGateway } from './gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.close())

async function targetOf(project: Project, options?: Parameters<Project['key']>[1]): Promise<Target> {
  return { baseUrl: gateway.baseUrl, token: (await project.key(['admin'], options)).token }
}

const minuteMs = 60_000

/** Counts of a node, so many in each minute of the hours before the running one. */
async function countBefore(nodeId: string, minutes: number, histogram = '{}'): Promise<void> {
  await gateway.sql.query(
    `insert into fresh_counts (node_id, minute, shard, ${counters.join(', ')}, histogram)
     select $1, date_trunc('minute', now()) - n * interval '1 minute', 0, ${counters.map(() => 1).join(', ')}, $3
       from generate_series(1, $2::int) as n`,
    [nodeId, minutes, histogram],
  )
}

test('whoever asks sees what happened, per project, source, endpoint and event type, at once', async () => {
  const project = await gateway.newProject()
  const [source, other] = [await project.source('orders'), await project.source('other')]
  const receiver = await startReceiver()
  const endpoint = await project.endpoint(receiver.url, [source.id])
  const eventType = await project.eventType('order.created')
  for (let i = 0; i < 3; i += 1) await project.message(source, { eventType: i === 0 ? 'order.created' : null })
  await project.message(other)
  await project.refusal(source)
  const target = await targetOf(project)
  const counts =
    'total { receivedCount refusedCount createdCount deliveredCount failedCount retriedCount successRatio }'
  const query = `query ($ids: [ID!]!) {
    project { stats { ${counts} } }
    nodes(ids: $ids) {
      ... on Source { stats { ${counts} } }
      ... on Endpoint { stats { ${counts} latency: total { latency { meanMs p50Ms p95Ms p99Ms } } } }
      ... on EventType { stats { ${counts} latency: total { latency { meanMs } } } }
    }
  }`
  const ask = () => dataOf(target, query, { ids: [source.id, other.id, endpoint.id, eventType] })
  const delivered = async () => (await ask()).project.stats.total.deliveredCount
  await until(delivered, 3)
  const data = await ask()
  const none = {
    receivedCount: 0,
    refusedCount: 0,
    createdCount: 0,
    deliveredCount: 0,
    failedCount: 0,
    retriedCount: 0,
  }
  const all = { ...none, createdCount: 3, deliveredCount: 3, successRatio: 1 }
  expect(data.project.stats.total).toEqual({ ...all, receivedCount: 4, refusedCount: 1 })
  const [ofSource, ofOther, ofEndpoint, ofType] = data.nodes.map((node: Loose) => node.stats)
  expect(ofSource.total).toEqual({ ...all, receivedCount: 3, refusedCount: 1 })
  expect(ofOther.total).toEqual({ ...none, receivedCount: 1, successRatio: null })
  expect(ofEndpoint.total).toEqual(all)
  expect(ofEndpoint.latency.latency).toEqual({
    meanMs: expect.any(Number),
    p50Ms: expect.any(Number),
    p95Ms: expect.any(Number),
    p99Ms: expect.any(Number),
  })
  expect(ofType.total).toEqual({ ...none, receivedCount: 1, createdCount: 1, deliveredCount: 1, successRatio: 1 })
  expect(ofType.latency.latency).toBeNull()
  // What was sent once more counts once more.
  const replay = `mutation ($id: ID!) { replayMessages(input: { endpointId: $id, skipsExisting: false }) { __typename } }`
  await dataOf(target, replay, { id: endpoint.id })
  await until(delivered, 6)
  expect((await ask()).nodes[2].stats.total).toMatchObject({ createdCount: 6, deliveredCount: 6, receivedCount: 0 })
  await receiver.close()
})

test('a series holds every interval, the empty ones too, oldest first, and adds up to the whole', async () => {
  const project = await gateway.newProject()
  const source = await project.source()
  await countBefore(source.id, 90, '{0,0,3,1}')
  const target = await targetOf(project)
  const nowMs = Math.floor(Date.now() / minuteMs) * minuteMs
  const from = new Date(nowMs - 120 * minuteMs).toISOString()
  const to = new Date(nowMs).toISOString()
  const data = await dataOf(
    target,
    `query ($id: ID!, $range: TimeRangeInput) {
      source(by: { id: $id }) { stats(range: $range) {
        total { from to receivedCount successRatio latency { meanMs p50Ms } }
        minutes: series(interval: MINUTE) { from to receivedCount latency { p50Ms } }
        hours: series { from to receivedCount }
        days: series(interval: DAY) { from receivedCount }
      } } }`,
    { id: source.id, range: { from, to } },
  )
  const { total, minutes, hours, days } = data.source.stats
  expect(total).toMatchObject({ from, to, receivedCount: 90, successRatio: 0.5, latency: { meanMs: 1 } })
  expect(total.latency.p50Ms).toBeCloseTo(1.15 ** 1.5)
  expect(minutes).toHaveLength(120)
  expect(minutes[0]).toEqual({
    from,
    to: new Date(nowMs - 119 * minuteMs).toISOString(),
    receivedCount: 0,
    latency: null,
  })
  for (const [place, bucket] of minutes.entries()) {
    expect(Date.parse(bucket.from)).toBe(nowMs - (120 - place) * minuteMs)
    expect(bucket.receivedCount).toBe(place < 30 ? 0 : 1)
  }
  const sum = (series: Loose[]) => series.reduce((all, { receivedCount }) => all + receivedCount, 0)
  // The clock may have moved on meanwhile, but nothing was counted since.
  expect([sum(minutes), sum(hours), sum(days)]).toEqual([90, 90, 90])
})

describe('a range that makes no sense, or asks for too much, is refused with the reason', () => {
  const hoursAgo = (hours: number) => new Date(Date.now() - hours * 60 * minuteMs).toISOString()
  test.each([
    ['empty', { from: hoursAgo(1), to: hoursAgo(2) }, 'total { from }', /The span is empty/],
    ['too many minutes', { from: hoursAgo(26) }, 'series(interval: MINUTE) { from }', /1500 are possible/],
    ['minutes long ago', { from: hoursAgo(60), to: hoursAgo(59) }, 'series(interval: MINUTE) { from }', /kept for 48/],
    ['too many hours', { from: hoursAgo(80 * 24) }, 'series { from }', /1500 are possible/],
    ['too long ago', { from: '1990-01-01T00:00:00Z' }, 'total { from }', /Days are kept for 2 years/],
    ['too many days', { to: '9999-01-01T00:00:00Z' }, 'series(interval: DAY) { from }', /1500 are possible/],
  ])('%s', async (_, range, selection, reason) => {
    const target = await targetOf(await gateway.newProject())
    const query = `query ($range: TimeRangeInput) { project { stats(range: $range) { ${selection} } } }`
    const answer = await run(target, query, { range })
    expect(codesOf(answer)).toEqual(['BAD_USER_INPUT'])
    expect(answer.errors?.[0]?.message).toMatch(reason)
  })

  test('more rollups than a request may look at', async () => {
    const target = await targetOf(await gateway.newProject())
    const range = { from: hoursAgo(24) }
    const series = Array.from({ length: 80 }, (_, n) => {
      return `s${n}: stats(range: $range) { series(interval: MINUTE) { from } }`
    })
    const query = (fields: string[]) => `query ($range: TimeRangeInput) { project { ${fields.join(' ')} } }`
    expect(codesOf(await run(target, query(series), { range }))).toContain('QUERY_TOO_LARGE')
  })
})

test('statistics of many endpoints are read by one statement', async () => {
  const project = await gateway.newProject()
  for (let i = 0; i < 5; i += 1) await project.endpoint(`http://127.0.0.1:9/${i}`)
  const target = await targetOf(project)
  const query = '{ endpoints { nodes { stats { total { createdCount } series { createdCount } } } } }'
  await dataOf(target, query)
  const statements = await gateway.statementsOf(() => dataOf(target, query))
  expect(statements.filter((text) => text.includes('rollups'))).toHaveLength(1)
})

describe('statistics of others', () => {
  const watch = (target: Target, nodeId?: string) =>
    overWebSocket(target, 'subscription ($id: ID) { statsUpdated(nodeId: $id) { receivedCount } }', { id: nodeId })

  test('cannot be read nor watched from another project', async () => {
    const [victim, stranger] = [await gateway.newProject(), await gateway.newProject()]
    const source = await victim.source()
    const ids = [source.id, (await victim.endpoint('http://127.0.0.1:9/')).id, await victim.eventType('a.b'), victim.id]
    await countBefore(victim.id, 3)
    await countBefore(source.id, 3)
    const target = await targetOf(stranger)
    for (const id of [...ids, 'src_x', 'nothing', `${source.id.slice(0, -4)}0000`]) {
      expect(codesOf(await watch(target, id).next()), id).toEqual(['NOT_FOUND'])
    }
    const message = await victim.message(source)
    expect(codesOf(await watch(target, message.id).next())).toEqual(['NOT_FOUND'])
    expect((await dataOf(target, '{ project { stats { total { receivedCount } } } }')).project.stats.total).toEqual({
      receivedCount: 0,
    })
  })

  test('do not show to a key that is limited to some sources', async () => {
    const project = await gateway.newProject()
    const [own, other] = [await project.source('own'), await project.source('hidden')]
    const eventType = await project.eventType('a.b')
    for (const [id, minutes] of [
      [own.id, 2],
      [other.id, 5],
      [project.id, 7],
      [eventType, 7],
    ] as const) {
      await countBefore(id, minutes)
    }
    const whole = await targetOf(project)
    const limited = await targetOf(project, { sourceIds: [own.id] })
    const query = '{ project { stats { total { receivedCount } } } }'
    expect((await dataOf(whole, query)).project.stats.total.receivedCount).toBe(7)
    expect((await dataOf(limited, query)).project.stats.total.receivedCount).toBe(2)
    const ofType = '{ eventTypes { nodes { stats { total { receivedCount } } } } }'
    expect(codesOf(await run(whole, ofType))).toEqual([])
    expect(codesOf(await run(limited, ofType))).toEqual(['FORBIDDEN'])
    expect(codesOf(await watch(limited, other.id).next())).toEqual(['NOT_FOUND'])
    expect(codesOf(await watch(limited, eventType).next())).toEqual(['FORBIDDEN'])
    expect(codesOf(await watch(limited, own.id).next())).toEqual([])
  })

  test('need the scope READ', async () => {
    const project = await gateway.newProject()
    await project.source()
    const { token } = await project.key(['listen'])
    const target = { baseUrl: gateway.baseUrl, token }
    expect(codesOf(await watch(target).next())).toEqual(['FORBIDDEN'])
    const source = await project.source('x')
    const message = await project.message(source)
    const query = `{ message(id: "${message.id}") { source { stats { total { receivedCount } } } } }`
    expect(codesOf(await run(target, query))).toEqual(['FORBIDDEN'])
  })
})

test('the running minute is told to all who watch, as it is and as it changes, by shared reads', async () => {
  const project = await gateway.newProject()
  const source = await project.source()
  const target = await targetOf(project)
  const document = 'subscription ($id: ID) { statsUpdated(nodeId: $id) { from to receivedCount } }'
  const streams = Array.from({ length: 4 }, (_, place) =>
    overWebSocket(target, document, place < 2 ? { id: source.id } : {}),
  )
  for (const stream of streams) {
    const { from, to, receivedCount } = (await stream.next()).data.statsUpdated
    expect(receivedCount).toBe(0)
    expect(Date.parse(to) - Date.parse(from)).toBe(minuteMs)
  }
  const statements = await gateway.statementsOf(async () => {
    for (let i = 0; i < 10; i += 1) await project.message(source)
    for (const stream of streams) {
      // A minute may end meanwhile: what both hold is the whole.
      const told = new Map<string, number>()
      while ([...told.values()].reduce((sum, count) => sum + count, 0) < 10) {
        const { from, receivedCount } = (await stream.next()).data.statsUpdated
        told.set(from, receivedCount)
      }
      expect([...told.values()].reduce((sum, count) => sum + count, 0)).toBe(10)
    }
  })
  const reads = statements.filter((text) => text.includes('rollups')).length
  expect(reads).toBeGreaterThan(0)
  expect(reads).toBeLessThanOrEqual(12)
})
