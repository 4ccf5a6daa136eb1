import type { Subscription } from './listen-connection.ts'
import { type ListenEvent, listenSubscription } from './listen-documents.ts'

/** Where a stream begins, and where it goes on after its connection was lost. */
export interface ListenPlace {
  /**
   * What the next connection is to subscribe to: all that was not dealt with.
   *
   * @throws Failure when that cannot be said now: `isPassing` in gateway-api.ts tells whether to try again.
   */
  subscription(): Promise<Subscription>
  /** An event has come. */
  arrived(event: ListenEvent): void
  /** It was dealt with. */
  passed(event: ListenEvent): void
  /** Keeps the place for the next run, where there is one. @throws Failure when it cannot. */
  close(): Promise<void>
}

/** A place that ends with the process. */
export function memoryPlace(begin: {
  readonly sourceId: string
  /** RFC 3339: begin with what was received from then on; null: with the next to come. */
  readonly since: string | null
  /** Null: all. */
  readonly filter: object | null
}): ListenPlace {
  const { sourceId, since, filter } = begin
  let cursor: string | null = null
  return {
    async subscription() {
      const after = cursor === null ? null : [cursor]
      return { query: listenSubscription, variables: { sourceIds: [sourceId], after, since, filter } }
    },
    arrived: () => undefined,
    passed(event) {
      cursor = event.cursor
    },
    close: async () => undefined,
  }
}
