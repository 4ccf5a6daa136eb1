import { Registry } from 'prom-client'
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { createDeliveryWorld, type DeliveryWorld } from '../../test/support/delivery-world.ts'
import type { ProjectId, SourceId } from '../kernel/ids.ts'
import { createLog } from '../kernel/log.ts'
import { createFeed, type FeedEvent } from '../live/index.ts'
import { createMessageStore, type StoredMessage } from '../messages/index.ts'
import { dropMessages } from './drop-messages.ts'
import { moveFloor } from './floor.ts'

let world: DeliveryWorld
let projectId: ProjectId
let sourceId: SourceId

beforeAll(async () => {
  world = await createDeliveryWorld()
})
afterAll(() => world.close())

beforeEach(async () => {
  projectId = await world.createProject()
  sourceId = await world.createSource(projectId)
})

afterEach(() => world.reset())

async function publish(count: number): Promise<string[]> {
  const ids = await world.publish(sourceId, count)
  await world.sql.query(`update fan_out_marks set fanned_out_to = (select last_sequence from source_heads)`)
  return ids
}

/** Keeps so many messages; those below the floor still wait to be dropped. */
async function keep(count: number): Promise<number> {
  const rule = JSON.stringify({ maxMessages: count, maxBytes: null, maxAgeHours: null })
  await world.sql.query(`update projects set retention = $1`, [rule])
  return (await moveFloor(world.sql, sourceId, null)) ?? 0
}

async function drop(below: number): Promise<void> {
  let after: number | undefined = 0
  while (after !== undefined) {
    after = (await dropMessages(world.sql, { sourceId, after, below, status: 'expired' }))?.lastSequence
  }
}

/** The gateway's feed on the gateway's store, with small pages. */
function openStream(after: number) {
  const closing = new AbortController()
  const feed = createFeed<StoredMessage>({
    reader: createMessageStore(world.sql),
    bus: world.bus,
    log: createLog({ level: 'silent', isPretty: false }),
    metrics: new Registry(),
    pageRows: 10,
    pollMs: { healthy: 50, unhealthy: 50 },
  })
  onTestFinished(() => feed.close())
  const stream = feed.open({ positions: [{ sourceId, after }], signal: closing.signal })
  return {
    async take(count: number): Promise<string[]> {
      const seen: string[] = []
      while (seen.length < count) {
        const { value } = await stream.next()
        seen.push(value === undefined ? 'end' : nameOf(value))
      }
      return seen
    },
  }
}

function nameOf(event: FeedEvent<StoredMessage>): string {
  if (event.kind === 'gap') return `${event.reason} ${event.fromSequence}-${event.toSequence}`
  return event.kind === 'message' ? `${event.sequence}` : event.kind
}

test.each(['before', 'after'])(
  'a reader behind the floor is told of one gap, %s the rows are dropped',
  async (when) => {
    await publish(40)
    const floor = await keep(5)
    if (when === 'after') await drop(floor)
    const stream = openStream(3)
    expect(await stream.take(7)).toEqual(['retention 4-35', '36', '37', '38', '39', '40', 'caught-up'])
    await publish(1)
    expect(await stream.take(1)).toEqual(['41'])
  },
)

test('a reader whom the floor overtakes is told of one gap, and misses nothing that is kept', async () => {
  await publish(60)
  const stream = openStream(0)
  expect(await stream.take(5)).toEqual(['1', '2', '3', '4', '5'])
  await drop(await keep(10))
  const rest: string[] = []
  while (rest.at(-1) !== 'caught-up') rest.push(...(await stream.take(1)))
  const gaps = rest.filter((name) => name.startsWith('retention'))
  expect(gaps).toHaveLength(1)
  expect(gaps[0]).toMatch(/^retention \d+-50$/)
  // What had been read before the floor moved may still come before the gap; then what is kept, all of it.
  expect(rest.slice(rest.indexOf(gaps[0] ?? '') + 1)).toEqual([
    ...Array.from({ length: 10 }, (_, i) => `${51 + i}`),
    'caught-up',
  ])
})

test('while a log grows and shrinks, each reader sees every message once and in order, or a gap in its place', async () => {
  const readers = [openStream(0), openStream(0)]
  const last = 2_000
  let isOver = false
  const growing = (async () => {
    for (let sequence = 0; sequence < last; sequence += 25) await publish(25)
    isOver = true
  })()
  const shrinking = (async () => {
    while (!isOver) await drop(await keep(40))
  })()
  const reading = readers.map(async (reader) => {
    for (let place = 0; place < last; ) {
      const [name = ''] = await reader.take(1)
      const [from, to] = name.startsWith('retention')
        ? name.slice(10).split('-').map(Number)
        : [Number(name), Number(name)]
      if (name === 'caught-up') continue
      expect(from, name).toBe(place + 1)
      place = to ?? 0
    }
  })
  await Promise.all([growing, shrinking, ...reading])
  // It did shrink.
  expect((await world.sql.query(`select from messages`)).length).toBeLessThan(last / 2)
})

test('a reader of a log that went as a whole is told of the gap and goes on', async () => {
  await publish(20)
  await world.sql.query(`update messages set received_at = now() - interval '3 hours'`)
  await world.sql.query(`update projects set retention = '{"maxAgeHours": 1}'`)
  const floor = await moveFloor(world.sql, sourceId, null)
  expect(floor).toBe(21)
  const stream = openStream(5)
  expect(await stream.take(2)).toEqual(['retention 6-20', 'caught-up'])
  await publish(1)
  expect(await stream.take(1)).toEqual(['21'])
})

test('pages and single messages begin at the floor, before the rows below are dropped', async () => {
  const ids = await publish(20)
  const store = createMessageStore(world.sql)
  expect(await keep(3)).toBe(18)
  const limits = { maxRows: 100, maxBytes: 1_000_000 }
  const sequencesOf = (messages: readonly StoredMessage[]) => messages.map((message) => message.sequence)
  expect(sequencesOf(await store.page(sourceId, 0, limits))).toEqual([18, 19, 20])
  const newest = await store.pages([{ sourceId, sequence: 20 }], 'newest-first', limits)
  expect(newest.map(sequencesOf)).toEqual([[19, 18]])
  const oldest = await store.pages([{ sourceId, sequence: 0 }], 'oldest-first', limits)
  expect(oldest.map(sequencesOf)).toEqual([[18, 19, 20]])
  const found = await store.byIds(projectId, [ids[0], ids[16], ids[17]] as StoredMessage['id'][], 1_000_000)
  expect(sequencesOf(found.messages)).toEqual([18])
  expect(await store.heads([sourceId])).toMatchObject([{ firstSequence: 18, lastSequence: 20 }])
})
