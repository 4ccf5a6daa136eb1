import { expect, test } from 'vitest'
import { newId } from '../kernel/ids.ts'
import type { FeedEvent, FeedMessage } from '../live/feed-event.ts'
import { type EventFilter, filteredEvents } from './filtered-events.ts'

type Event = FeedEvent<null>

const [one, other] = [newId('src'), newId('src')]
const message = (sequence: number, sourceId = one): FeedMessage<null> => ({
  kind: 'message',
  sourceId,
  sequence,
  logEpoch: 'a',
  row: null,
})
const caughtUp = (sequence: number): Event => ({ kind: 'caught-up', sourceId: one, sequence, logEpoch: 'a' })

/** Gives the events, and then waits until it is ended or fails. */
function feedOf(events: readonly Event[]) {
  let end = (): void => undefined
  let fail = (_error: Error): void => undefined
  const over = new Promise<IteratorResult<Event, undefined>>((resolve, reject) => {
    end = () => resolve({ done: true, value: undefined })
    fail = reject
  })
  const rest = [...events]
  const iterator: AsyncIterator<Event, undefined> = {
    next() {
      const value = rest.shift()
      return value === undefined ? over : Promise.resolve({ done: false, value })
    },
    async return() {
      end()
      return { done: true, value: undefined }
    },
  }
  return { iterator, fail: (error: Error) => fail(error), end: () => end() }
}

const even: EventFilter<null> = { matches: ({ sequence }) => sequence % 2 === 0, maxQuietMs: 60_000 }
const none: EventFilter<null> = { matches: () => false, maxQuietMs: 60_000 }

async function told(events: AsyncIterator<Event, undefined>, count: number): Promise<string[]> {
  const seen: string[] = []
  while (seen.length < count) {
    const { value } = await events.next()
    seen.push(
      value === undefined ? 'end' : `${value.kind} ${value.sequence}${value.sourceId === other ? ' other' : ''}`,
    )
  }
  return seen
}

test('what matches passes in order, and so does all that is no message', async () => {
  const feed = feedOf([message(1), message(2), message(3), caughtUp(3), message(4)])
  expect(await told(filteredEvents(feed.iterator, even), 3)).toEqual(['message 2', 'caught-up 3', 'message 4'])
})

test('after 1,000 hidden messages of a source its place is told', async () => {
  const messages = Array.from({ length: 2_500 }, (_, index) => message(index + 1))
  const events = filteredEvents(feedOf([...messages, message(1, other), caughtUp(2_500)]).iterator, none)
  expect(await told(events, 3)).toEqual(['progress 1000', 'progress 2000', 'caught-up 2500'])
})

test('each source has a place of its own', async () => {
  const feed = feedOf([message(1), message(1, other), message(3, other), message(3), message(5, other)])
  const events = filteredEvents(feed.iterator, { ...none, maxHidden: 2 })
  expect(await told(events, 2)).toEqual(['progress 3 other', 'progress 3'])
})

test('a quiet source tells its place in time, once, and the events go on', async () => {
  const feed = feedOf([message(1), message(3)])
  const events = filteredEvents(feed.iterator, { ...even, maxQuietMs: 5 })
  expect(await told(events, 1)).toEqual(['progress 3'])
  feed.end()
  expect(await told(events, 1)).toEqual(['end'])
})

test('a quiet source tells its place in time also while another one never pauses', async () => {
  const busy = Array.from({ length: 50 }, (_, index) => message(2 * index + 2, other))
  const events = filteredEvents(feedOf([message(1), ...busy]).iterator, { ...even, maxQuietMs: 20 })
  expect(await told(events, 1)).toEqual(['message 2 other'])
  await new Promise((resolve) => setTimeout(resolve, 25))
  expect(await told(events, 2)).toEqual(['progress 1', 'message 4 other'])
})

test('the end of a stream ends what waits', async () => {
  const events = filteredEvents(feedOf([message(1)]).iterator, even)
  const waiting = events.next()
  await events.return?.()
  expect(await waiting).toEqual({ done: true, value: undefined })
})

test('a failure that comes while nobody waits is told to who asks next', async () => {
  const feed = feedOf([message(1)])
  const events = filteredEvents(feed.iterator, { ...even, maxQuietMs: 1 })
  expect(await told(events, 1)).toEqual(['progress 1'])
  feed.fail(new Error('gone'))
  await expect(events.next()).rejects.toThrow('gone')
})
