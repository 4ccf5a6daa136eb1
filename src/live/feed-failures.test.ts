import { expect, test, vi } from 'vitest'
import {
  createSource,
  createTestFeed,
  type FeedTestEvent,
  never,
  range,
  take,
  theBus,
  useFeedWorld,
  words,
  write,
} from '../../test/support/feed-world.ts'
import type { SourceId } from '../kernel/ids.ts'
import { type Bus, sourceChannel } from './bus.ts'
import { createMemoryBus } from './memory-bus.ts'

useFeedWorld()

// --- what can fail

test('a lost wake-up costs a wait for the next poll, not a message', async () => {
  const sourceId = await createSource()
  const { open } = createTestFeed({ pollMs: { healthy: 50, unhealthy: never } })
  const stream = open({ sourceId, after: 0 })
  await take(stream, 1)
  await write(sourceId, 2, createMemoryBus())
  expect(words(await take(stream, 2))).toBe('1 2')
})

test('after the bus has recovered every stream looks again', async () => {
  const sourceId = await createSource()
  const recovered: (() => void)[] = []
  const recovering: Bus = {
    ...theBus(),
    onRecovered(listener) {
      recovered.push(listener)
      return () => undefined
    },
  }
  const { open } = createTestFeed({ bus: recovering })
  const stream = open({ sourceId, after: 0 })
  await take(stream, 1)
  await write(sourceId, 2, createMemoryBus())
  for (const listener of recovered) listener()
  expect(words(await take(stream, 2))).toBe('1 2')
})

test('a wake-up that says too much, or nonsense, does no harm', async () => {
  const sourceId = await createSource()
  const { reader, open } = createTestFeed()
  const stream = open({ sourceId, after: 0 })
  await take(stream, 1)
  const waiting = take(stream, 1)
  for (const payload of ['9007199254740991', '-5', 'NaN', '1e300', '', '1.5']) {
    theBus().publish(sourceChannel(sourceId), payload)
    const heads = reader.headCalls.length + reader.pageCalls.length
    if (payload !== '-5') await vi.waitUntil(() => reader.headCalls.length + reader.pageCalls.length > heads)
  }
  expect(reader.pageCalls.length).toBeLessThan(5)
  await write(sourceId, 1)
  expect(words(await waiting)).toBe('1')
})

test('streams wait while the database is away, and go on when it is back', async () => {
  const sourceId = await createSource()
  await write(sourceId, 30)
  const { reader, open } = createTestFeed({ pageRows: 10 })
  reader.fails = () => true
  const stream = open({ sourceId, after: 0 })
  const waiting = take(stream, 31)
  await vi.waitUntil(() => reader.headCalls.length > 1)
  reader.fails = (call) => call === 'page'
  await vi.waitUntil(() => reader.pageCalls.length > 1, 5_000)
  reader.fails = () => false
  expect(words(await waiting)).toBe(`${range(1, 30).join(' ')} caught-up@30`)

  const next = take(stream, 3)
  reader.fails = () => true
  const before = reader.pageCalls.length
  await write(sourceId, 3)
  await vi.waitUntil(() => reader.pageCalls.length > before + 1, 5_000)
  reader.fails = () => false
  expect(words(await next)).toBe('31 32 33')
})

test('a source that cannot be read holds up itself alone', async () => {
  const [broken, sound] = [await createSource(), await createSource()]
  await write(broken, 5)
  await write(sound, 30)
  const { reader, open } = createTestFeed({ pageRows: 10 })
  reader.fails = (call, sourceId) => call === 'page' && sourceId === broken
  const stream = open({ sourceId: broken, after: 0 }, { sourceId: sound, after: 0 })
  expect(words(await take(stream, 31))).toBe(`${range(1, 30).join(' ')} caught-up@30`)
  reader.fails = () => false
  expect(words(await take(stream, 6))).toBe('1 2 3 4 5 caught-up@5')
})

// --- all at once

test.each([
  ['roomy pages and tails, no wake-up lost', 500, 8_000_000, 0],
  ['tiny pages', 2, 8_000_000, 30],
  ['tiny tails', 7, 300, 30],
  ['no tail at all, most wake-ups lost', 3, 1, 80],
])('every subscriber sees every message once and in order: %s', async (_, pageRows, tailBytes, lostPercent) => {
  const random = randomOf(pageRows + lostPercent)
  const sourceIds = await Promise.all(range(1, 3).map(() => createSource()))
  const last = 400
  const lossy: Bus = {
    ...theBus(),
    publish: (channel, payload) => random(100) >= lostPercent && theBus().publish(channel, payload),
  }
  const { open } = createTestFeed({
    pageRows,
    tailBytes,
    totalTailBytes: tailBytes * 2,
    pollMs: { healthy: lostPercent === 0 ? never : 50, unhealthy: never },
  })

  async function writeAll(sourceId: SourceId): Promise<void> {
    for (let written = 0; written < last; )
      written = await write(sourceId, 1 + random(Math.min(20, last - written)), lossy)
  }

  async function subscribe(): Promise<void> {
    const after = random(3) === 0 ? 'now' : 0
    const stream = open(...sourceIds.map((sourceId) => ({ sourceId, after }) as const))
    const seen = new Map<SourceId, FeedTestEvent[]>()
    while (sourceIds.some((sourceId) => !isComplete(seen.get(sourceId), last))) {
      const [event] = await take(stream, 1)
      if (event === undefined) throw new Error('the stream has ended')
      seen.set(event.sourceId, [...(seen.get(event.sourceId) ?? []), event])
      if (random(10) === 0) await new Promise((resolve) => setTimeout(resolve, random(5)))
    }
    await stream.return?.()
    for (const events of seen.values()) {
      const messages = events.filter(({ kind }) => kind === 'message')
      // A stream from now begins wherever the source was, and says so first.
      if (after === 'now') expect(events[0]?.kind).toBe('caught-up')
      const first = after === 'now' ? (events[0]?.sequence ?? 0) + 1 : 1
      expect(words(messages)).toBe(range(first, last).join(' '))
      expect(events).toHaveLength(messages.length + 1)
    }
  }

  const writers = sourceIds.map(writeAll)
  const subscribers: Promise<void>[] = []
  for (let count = 0; count < 40; count += 1) {
    subscribers.push(subscribe())
    await new Promise((resolve) => setTimeout(resolve, random(10)))
  }
  await Promise.all([...writers, ...subscribers])
})

function isComplete(events: readonly FeedTestEvent[] | undefined, last: number): boolean {
  return events?.at(-1)?.sequence === last && events.some(({ kind }) => kind === 'caught-up')
}

/** A small generator of random numbers, so that a failure repeats. */
function randomOf(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor((state / 2 ** 31) * below)
  }
}
