import { setTimeout } from 'node:timers/promises'

const firstRetryMs = 500
const maxRetryMs = 5_000

/** The results of a subscription, one per event, as JSON in UTF-8. Others may have them too: they are not to be changed. */
export type OperationStream = AsyncGenerator<Buffer, void, void>

/** What a client is told of an event. */
export interface EventResult {
  readonly json: Buffer
  /** The database could not answer for it. */
  readonly isUnavailable: boolean
}

export interface EventHandling<Executed> {
  execute(event: object): Promise<Executed>
  /** What to tell the client of it. */
  shown(executed: Executed): EventResult
  /** What to tell the client when the source fails. */
  failed(error: unknown): EventResult
  /** Called once, when no further event will be executed. */
  ended(): void
}

/**
 * Executes events as they are asked for, one at a time. An event that the database could not answer for is executed
 * again until it can: told as an error, it would be lost to a reader who goes on with the next one.
 *
 * Not a generator function: those hold back `return()` while a `next()` waits, and a subscription that waits for events
 * could not be ended.
 */
export function operationStream<Executed>(
  source: AsyncIterable<object>,
  handling: EventHandling<Executed>,
): OperationStream {
  const events = source[Symbol.asyncIterator]()
  const controller = new AbortController()
  const ended = controller.signal
  ended.addEventListener('abort', () => handling.ended(), { once: true })
  const end = { done: true, value: undefined } as const
  const stream: OperationStream = {
    async next() {
      if (ended.aborted) return end
      try {
        const event = await events.next()
        if (event.done) controller.abort()
        if (ended.aborted) return end
        let result = handling.shown(await handling.execute(event.value))
        for (let retryMs = firstRetryMs; result.isUnavailable; retryMs = Math.min(2 * retryMs, maxRetryMs)) {
          await setTimeout(retryMs, undefined, { signal: ended }).catch(() => undefined)
          if (ended.aborted) return end
          result = handling.shown(await handling.execute(event.value))
        }
        return ended.aborted ? end : { done: false, value: result.json }
      } catch (error) {
        controller.abort()
        return { done: false, value: handling.failed(error).json }
      }
    },
    async return() {
      controller.abort()
      await events.return?.()
      return end
    },
    async throw(error) {
      await stream.return()
      throw error
    },
    [Symbol.asyncIterator]: () => stream,
    [Symbol.asyncDispose]: async () => void (await stream.return()),
  }
  return stream
}
