import { setTimeout } from 'node:timers/promises'
import type { ExecutionResult } from 'graphql'

/** The results of a subscription, one per event. */
export type OperationStream = AsyncGenerator<ExecutionResult, void, void>

interface EventHandling {
  /** Never rejects. */
  execute(event: unknown): Promise<ExecutionResult>
  /** What to tell the client when the source fails. */
  failed(error: unknown): ExecutionResult
}

/**
 * Executes events as they are asked for, one at a time. An event that the database could not answer for is executed
 * again until it can: told as an error, it would be lost to a reader who goes on with the next one.
 *
 * Not a generator function: those hold back `return()` while a `next()` waits, and a subscription that waits for events
 * could not be ended.
 */
export function operationStream(source: AsyncIterable<unknown>, handling: EventHandling): OperationStream {
  const events = source[Symbol.asyncIterator]()
  const controller = new AbortController()
  const ended = controller.signal
  const end = { done: true, value: undefined } as const
  const stream: OperationStream = {
    async next() {
      if (ended.aborted) return end
      try {
        const event = await events.next()
        if (ended.aborted || event.done) return end
        const value = await executeWhenAvailable(() => handling.execute(event.value), ended)
        return ended.aborted ? end : { done: false, value }
      } catch (error) {
        controller.abort()
        return { done: false, value: handling.failed(error) }
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

const firstRetryMs = 500
const maxRetryMs = 5_000

async function executeWhenAvailable(
  execute: () => Promise<ExecutionResult>,
  ended: AbortSignal,
): Promise<ExecutionResult> {
  for (let retryMs = firstRetryMs; ; retryMs = Math.min(2 * retryMs, maxRetryMs)) {
    const result = await execute()
    if (ended.aborted || !isUnavailable(result)) return result
    await setTimeout(retryMs, undefined, { signal: ended }).catch(() => undefined)
    if (ended.aborted) return result
  }
}

function isUnavailable({ errors = [] }: ExecutionResult): boolean {
  return errors.some(({ extensions }) => extensions.code === 'UNAVAILABLE')
}
