import type { ServerResponse } from 'node:http'
import type { ExecutionResult } from 'graphql'
import type { Viewer } from '../auth/viewer.ts'
import { watchReader } from '../kernel/stalled-reader.ts'
import type { KeyWatch } from './key-watch.ts'
import type { OperationStream } from './operation-stream.ts'
import { requestError, unauthenticated } from './request-error.ts'

/** Results as Yoga takes them: it writes a result by its own `stringify` where there is one. */
export type EventStream = AsyncGenerator<ExecutionResult & { readonly stringify?: () => string }, void, void>

/** The subscriptions that run as GraphQL over SSE: one response each. */
export interface EventStreams {
  /** The same stream, which also ends with its key and with the server, and whose response is cut when its reader stalls. */
  open(stream: OperationStream, reader: { readonly viewer: Viewer; readonly response: ServerResponse }): EventStream
  /** Ends all streams: their readers are told that they are complete. */
  close(): Promise<void>
}

/** @param stalledMs a reader that takes nothing for this long is cut off. */
export function createEventStreams(deps: { readonly keys: KeyWatch; readonly stalledMs: number }): EventStreams {
  const streams = new Set<EventStream>()

  function open(
    inner: OperationStream,
    { viewer, response }: { viewer: Viewer; response: ServerResponse },
  ): EventStream {
    const results = askedFor(inner)
    let lastResult: ExecutionResult | null = null
    /** Whether an event waits for its reader to take it. */
    let isGiven = false
    const stopWatching = deps.keys.watch(viewer, (loss) => {
      // The source may have told of it first.
      if (results.isOver()) return
      lastResult = {
        errors: [loss === 'ended' ? unauthenticated() : requestError('FORBIDDEN', 'The key has lost rights.')],
      }
      void inner.end()
    })
    function ended(): void {
      streams.delete(outer)
      stopWatching()
    }
    const outer: EventStream = {
      async next() {
        isGiven = false
        const json = await results.next()
        if (json !== null) {
          isGiven = true
          // Each time, for Yoga turns the socket's time-out off when the answer begins.
          look()
          return { done: false, value: { stringify: () => json.toString() } }
        }
        ended()
        const last = lastResult
        lastResult = null
        return last === null ? { done: true, value: undefined } : { done: false, value: last }
      },
      async return() {
        ended()
        await inner.end()
        return { done: true, value: undefined }
      },
      async throw(error) {
        await outer.return()
        throw error
      },
      [Symbol.asyncIterator]: () => outer,
      [Symbol.asyncDispose]: async () => void (await outer.return()),
    }
    streams.add(outer)
    const look = watchReader(response, {
      stalledMs: deps.stalledMs,
      isWaiting: () => isGiven,
      onStalled: () => void response.destroy(),
    })
    // Also when the reader left before its answer had begun, so that nobody would ask for an event, or return.
    response.once('close', () => void outer.return())
    if (response.destroyed) void outer.return()
    return outer
  }

  return {
    open,
    async close() {
      await Promise.all([...streams].map((stream) => stream.return()))
    },
  }
}

/** One result for each time that one is asked for; null when there are no more. */
function askedFor(stream: OperationStream): { next(): Promise<Buffer | null>; isOver(): boolean } {
  let isOver = false
  let answer: (json: Buffer | null) => void = () => undefined
  stream.follow({
    take(json) {
      answer(json)
      return false
    },
    ended() {
      isOver = true
      answer(null)
    },
  })
  return {
    isOver: () => isOver,
    next: () =>
      new Promise((resolve) => {
        if (isOver) return resolve(null)
        answer = resolve
        stream.resume()
      }),
  }
}
