import { expect, test } from 'vitest'
import { until } from '../../test/support/until.ts'
import { takenEvents } from './event-iteration.ts'
import { type OperationStream, operationStream } from './operation-stream.ts'
import type { Waiter } from './shared-results.ts'

interface Event {
  readonly number: number
}

/** What a stream has given, and whether it is over. */
interface Given {
  readonly texts: string[]
  isOver: boolean
}

interface Options {
  /** How many results are taken before the reader must be asked again. */
  readonly takes?: number
  readonly execute?: (event: Event, waiter: Waiter<Event>) => Event | null
  readonly isUnavailable?: () => boolean
}

function streamOf(source: AsyncIterable<object>, options: Options = {}): { stream: OperationStream; given: Given } {
  const { takes = Number.POSITIVE_INFINITY, execute = (event) => event, isUnavailable = () => false } = options
  const given: Given = { texts: [], isOver: false }
  const stream = operationStream<Event>(takenEvents(source), {
    execute: (event, waiter) => execute(event as Event, waiter),
    shown: ({ number }) => ({ json: Buffer.from(String(number)), isUnavailable: isUnavailable() }),
    failed: (error) => ({ json: Buffer.from(String(error)), isUnavailable: false }),
    ended: () => undefined,
  })
  stream.follow({
    take(json) {
      given.texts.push(String(json))
      return given.texts.length % takes !== 0
    },
    ended() {
      given.isOver = true
    },
  })
  return { stream, given }
}

async function* numbers(count: number, failure?: Error): AsyncGenerator<Event> {
  for (let number = 1; number <= count; number += 1) yield { number }
  if (failure !== undefined) throw failure
}

const texts = (count: number) => Array.from({ length: count }, (_, index) => String(index + 1))

test('all events are told once and in order, however their executions answer', async () => {
  const { stream, given } = streamOf(numbers(100), {
    execute(event, waiter) {
      if (event.number % 3 === 0) return event
      queueMicrotask(() => waiter.executed(event))
      return null
    },
  })
  stream.resume()
  await until(() => given.isOver, true)
  expect(given.texts).toEqual(texts(100))
})

test('nothing is executed for a reader who takes no more, until it asks again', async () => {
  let executions = 0
  const { stream, given } = streamOf(numbers(10), {
    takes: 3,
    execute(event) {
      executions += 1
      return event
    },
  })
  stream.resume()
  await until(() => given.texts.length, 3)
  await new Promise(setImmediate)
  expect(executions).toBe(3)
  while (!given.isOver) {
    stream.resume()
    await new Promise(setImmediate)
  }
  expect(given.texts).toEqual(texts(10))
})

test('a source that fails is told of after all that came before', async () => {
  const { stream, given } = streamOf(numbers(3, new Error('gone')))
  stream.resume()
  await until(() => given.isOver, true)
  expect(given.texts).toEqual([...texts(3), 'Error: gone'])
})

test('an execution that fails is told of, and ends the stream and its source', async () => {
  const source = numbers(3)
  const { stream, given } = streamOf(source, {
    execute(_event, waiter) {
      queueMicrotask(() => waiter.failed(new Error('no')))
      return null
    },
  })
  stream.resume()
  await until(() => given.isOver, true)
  expect(given.texts).toEqual(['Error: no'])
  expect(await source.next()).toEqual({ done: true, value: undefined })
})

test('an event that cannot be answered for now is told when it can, before those that follow it', async () => {
  let failures = 1
  const { stream, given } = streamOf(numbers(3), { isUnavailable: () => failures-- > 0 })
  stream.resume()
  await until(() => given.isOver, true)
  expect(given.texts).toEqual(texts(3))
})

test('a stream that is ended tells nothing more, not even what is being executed', async () => {
  const { promise, resolve } = Promise.withResolvers<Waiter<Event>>()
  const { stream, given } = streamOf(numbers(3), {
    execute(_event, waiter) {
      resolve(waiter)
      return null
    },
  })
  stream.resume()
  const waiter = await promise
  await stream.end()
  waiter.executed({ number: 1 })
  expect(given).toEqual({ texts: [], isOver: true })
})

test('while one has much to tell, others get their turns', async () => {
  const all = Array.from({ length: 1_000 }, (_, index): Event => ({ number: index + 1 }))
  const { stream, given } = streamOf({
    // Taken at once, as a page that was read is.
    take: () => all.shift() ?? null,
    follow: () => undefined,
    end: () => undefined,
  } as unknown as AsyncIterable<object>)
  stream.resume()
  expect(given.texts.length).toBeLessThan(100)
  await until(() => given.texts.length, 1_000)
  expect(given.texts).toEqual(texts(1_000))
})
