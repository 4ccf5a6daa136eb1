import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { newMessage } from '../../test/support/recording.ts'
import { newId } from '../kernel/ids.ts'
import { createLog } from '../kernel/log.ts'
import type { NewMessage } from '../messages/index.ts'
import { createEndpointMatcher, type FilteringEndpoint, type Matching, type MatchLimits } from './match-endpoints.ts'

function createMatcher(limits: Partial<MatchLimits> = {}) {
  const metrics = new Registry()
  const lines: Record<string, unknown>[] = []
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) }
  const log = createLog({ level: 'warn', isPretty: false, destination })
  const matcher = createEndpointMatcher({ log, metrics, limits: { maxMs: 60_000, maxPairs: 100_000, ...limits } })
  const failures = async () =>
    (await metrics.getSingleMetric('hookline_filter_failures_total')?.get())?.values[0]?.value ?? 0
  return { matcher, lines, failures }
}

function endpointWith(filter: unknown): FilteringEndpoint {
  return { id: newId('ept'), filter: filter === null || typeof filter === 'string' ? filter : JSON.stringify(filter) }
}

function messages(...changes: Partial<NewMessage>[]): Matching['messages'] {
  return changes.map((change, index) => ({ ...newMessage(newId('src'), change), sequence: index + 1 }))
}

test('an endpoint gets the messages that its filter lets through; without a filter it gets all', async () => {
  const all = endpointWith(null)
  const orders = endpointWith({ types: ['order.*'] })
  const ofInbox = endpointWith({ exact: { name: 'source', value: '/sources/inbox' } })
  const exact = endpointWith('{"data":{"pointer":"/n","value":12345678901234567890}}')
  const { matcher } = createMatcher()
  const { pairs, looked } = await matcher.match({
    endpoints: [all, orders, ofInbox, exact],
    messages: messages(
      { eventType: 'order.created', eventSource: '/shop', body: Buffer.from('{"n":12345678901234567890}') },
      { body: Buffer.from('{"n":12345678901234567891}') },
    ),
    sourceName: 'inbox',
  })
  expect(looked).toBe(2)
  expect(pairs).toEqual([
    { sequence: 1, endpointId: all.id },
    { sequence: 1, endpointId: orders.id },
    { sequence: 1, endpointId: exact.id },
    { sequence: 2, endpointId: all.id },
    { sequence: 2, endpointId: ofInbox.id },
  ])
})

test('bodies are read only where a filter looks into them', () => {
  const { matcher } = createMatcher()
  const plain = [endpointWith(null), endpointWith({ not: { types: ['a'] } }), endpointWith('not a filter')]
  expect(matcher.readsBodies(plain)).toBe(false)
  const nested = endpointWith({ any: [{ types: ['a'] }, { not: { data: { pointer: '/a', value: 1 } } }] })
  expect(matcher.readsBodies([...plain, nested])).toBe(true)
})

test('a message that a filter cannot judge is kept from that endpoint alone, is counted, and is told of once', async () => {
  const { matcher, lines, failures } = createMatcher()
  const byHeader = endpointWith({ not: { header: { name: 'x-a', value: '1' } } })
  const byType = endpointWith({ types: ['webhook'] })
  const { pairs } = await matcher.match({
    endpoints: [byHeader, byType],
    messages: messages({}, { headersText: 'poison' }, { headersText: 'poison' }, {}),
    sourceName: 'inbox',
  })
  const sequencesOf = ({ id }: FilteringEndpoint) =>
    pairs.filter(({ endpointId }) => endpointId === id).map(({ sequence }) => sequence)
  expect(sequencesOf(byHeader)).toEqual([1, 4])
  expect(sequencesOf(byType)).toEqual([1, 2, 3, 4])
  expect(await failures()).toBe(2)
  expect(lines).toEqual([expect.objectContaining({ endpointId: byHeader.id, sequence: 2, messages: 2 })])
})

test.each(['poison', '{"types":7}', '{}', 'null'])(
  'an endpoint whose stored filter is %s gets nothing, and others get theirs',
  async (filter) => {
    const { matcher, failures } = createMatcher()
    const healthy = endpointWith({ types: ['*'] })
    const endpoints = [endpointWith(filter), healthy]
    const { pairs } = await matcher.match({ endpoints, messages: messages({}, {}), sourceName: 'inbox' })
    expect(pairs.map(({ endpointId }) => endpointId)).toEqual([healthy.id, healthy.id])
    expect(await failures()).toBe(2)
  },
)

test('a page ends by time and by deliveries, but not before its first message is done', async () => {
  const endpoints = Array.from({ length: 3 }, () => endpointWith({ types: ['*'] }))
  const page = { endpoints, messages: messages({}, {}, {}, {}), sourceName: 'inbox' }
  const late = await createMatcher({ maxMs: -1 }).matcher.match(page)
  expect([late.looked, late.pairs.length]).toEqual([1, 3])
  const full = await createMatcher({ maxPairs: 4 }).matcher.match(page)
  expect([full.looked, full.pairs.length]).toEqual([2, 6])
})

test('long matching lets others have their turn', async () => {
  const { matcher } = createMatcher()
  const filters = { any: Array.from({ length: 99 }, (_, index) => ({ types: [`*a*b*c*${index}`] })) }
  const endpoints = Array.from({ length: 1_000 }, () => endpointWith(filters))
  let turns = 0
  const timer = setInterval(() => (turns += 1), 1)
  const startMs = performance.now()
  await matcher.match({ endpoints, messages: messages({ eventType: 'abc'.repeat(80) }), sourceName: 'inbox' })
  clearInterval(timer)
  expect(turns).toBeGreaterThanOrEqual(Math.min(3, Math.floor((performance.now() - startMs) / 20)))
  expect(turns).toBeGreaterThan(0)
})
