import type { ServerResponse } from 'node:http'
import type { ExecutionResult } from 'graphql'
import type { Viewer } from '../auth/viewer.ts'
import type { KeyWatch } from './key-watch.ts'
import type { OperationStream } from './operation-stream.ts'
import { unauthenticated } from './request-error.ts'

const sweepMs = 1_000

/** The subscriptions that run as GraphQL over SSE: one response each. */
export interface EventStreams {
  /** The same stream, which also ends with its key and with the server, and whose response is cut when its reader stalls. */
  open(stream: OperationStream, reader: { readonly viewer: Viewer; readonly response: ServerResponse }): OperationStream
  /** Ends all streams: their readers are told that they are complete. */
  close(): Promise<void>
}

interface Open {
  /** Since when an event waits for its reader to take it; null while the reader waits for an event. */
  givenAtMs: number | null
  readonly response: ServerResponse
  end(): Promise<void>
}

/** @param stalledMs a reader that takes nothing for this long is cut off. */
export function createEventStreams(deps: { readonly keys: KeyWatch; readonly stalledMs: number }): EventStreams {
  const streams = new Set<Open>()
  const timer = setInterval(() => cutStalled(streams, deps.stalledMs), sweepMs)
  timer.unref()

  function open(
    inner: OperationStream,
    { viewer, response }: { viewer: Viewer; response: ServerResponse },
  ): OperationStream {
    let lastResult: ExecutionResult | null = null
    const state: Open = { givenAtMs: null, response, end: async () => void (await outer.return()) }
    const stopWatching = deps.keys.watch(viewer, () => {
      lastResult = { errors: [unauthenticated()] }
      void inner.return()
    })
    function ended(): void {
      streams.delete(state)
      stopWatching()
    }
    const outer: OperationStream = {
      async next() {
        state.givenAtMs = null
        const result = await inner.next()
        if (!result.done) {
          state.givenAtMs = Date.now()
          return result
        }
        ended()
        const last = lastResult
        lastResult = null
        return last === null ? result : { done: false, value: last }
      },
      async return() {
        ended()
        return await inner.return()
      },
      async throw(error) {
        await outer.return()
        throw error
      },
      [Symbol.asyncIterator]: () => outer,
      [Symbol.asyncDispose]: async () => void (await outer.return()),
    }
    streams.add(state)
    // Also when the reader left before its answer had begun, so that nobody would ask for an event, or return.
    response.once('close', () => void outer.return())
    if (response.destroyed) void outer.return()
    return outer
  }

  return {
    open,
    async close() {
      clearInterval(timer)
      await Promise.all([...streams].map((stream) => stream.end()))
    },
  }
}

function cutStalled(streams: Iterable<Open>, stalledMs: number): void {
  for (const stream of streams) {
    if (stream.givenAtMs === null || Date.now() - stream.givenAtMs < stalledMs) continue
    stream.response.destroy()
    void stream.end()
  }
}
