import { setTimeout as sleep } from 'node:timers/promises'
import type { Reach } from '../auth/viewer.ts'
import { isDatabaseAway } from '../db/is-database-away.ts'
import type { OperationId } from '../kernel/ids.ts'
import { type Bus, operationsChannel } from '../live/bus.ts'
import type { Operation } from './operation.ts'
import { readNotice } from './operation-notices.ts'
import type { OperationStore } from './operation-store.ts'

/*
 * An operation as it is, then as it moves on, until it has ended. Steps may follow each other quickly: between two looks
 * there is a second, but the end is told at once. A wake-up only says: look.
 */
export interface WatchOperationDeps {
  readonly store: Pick<OperationStore, 'byIds'>
  readonly bus: Pick<Bus, 'subscribe' | 'isHealthy'>
  /** Between two tellings, but for the end. Default 1,000. */
  readonly restMs?: number
}

export interface WatchOperationOptions {
  readonly reach: Reach
  /** As it is now: told first. */
  readonly operation: Operation
  readonly signal: AbortSignal
}

const defaultRestMs = 1_000
const pollMs = { healthy: 5_000, unhealthy: 1_000 }

/** Ends with the operation, when it is forgotten, when the signal is aborted or the consumer returns. */
export async function* watchOperation(
  deps: WatchOperationDeps,
  { reach, operation, signal }: WatchOperationOptions,
): AsyncGenerator<Operation, void, undefined> {
  const wakeUps = listen(deps.bus, operation, signal)
  try {
    let told = operation
    yield told
    // What was read before the subscription to wake-ups took hold may be old.
    let mustRest = false
    while (told.finishedAt === null && !signal.aborted) {
      if (mustRest) await wakeUps.nextEnd(deps.restMs ?? defaultRestMs)
      if (mustRest) await wakeUps.next(deps.bus.isHealthy() ? pollMs.healthy : pollMs.unhealthy)
      if (signal.aborted) return
      mustRest = true
      const found = await look(deps.store, reach, told)
      if (found === null) return
      if (found.updatedAt.getTime() === told.updatedAt.getTime() && found.status === told.status) continue
      told = found
      yield told
    }
  } finally {
    wakeUps.stop()
  }
}

/** @returns what is known while the database is away; null when the operation is forgotten. */
async function look(store: WatchOperationDeps['store'], reach: Reach, told: Operation): Promise<Operation | null> {
  try {
    return (await store.byIds(reach, [told.id]))[0] ?? null
  } catch (error) {
    if (isDatabaseAway(error)) return told
    throw error
  }
}

function listen(bus: WatchOperationDeps['bus'], { id, projectId }: Operation, signal: AbortSignal) {
  let moved = new AbortController()
  let ended = new AbortController()
  function wakeAll(): void {
    moved.abort()
    ended.abort()
  }
  const unsubscribe = bus.subscribe(operationsChannel(projectId), (payload) => {
    const notice = readNotice(payload, id as OperationId)
    if (notice === 'ended') wakeAll()
    else if (notice === 'moved') moved.abort()
  })
  signal.addEventListener('abort', wakeAll)
  return {
    stop() {
      unsubscribe()
      signal.removeEventListener('abort', wakeAll)
    },
    /** Resolves when it has ended, or is called off, at the latest after this time. */
    nextEnd: (timeoutMs: number) => sleep(timeoutMs, undefined, { signal: ended.signal }).catch(() => undefined),
    /** Resolves when it has moved since the last call, at the latest after this time. */
    async next(timeoutMs: number): Promise<void> {
      await sleep(timeoutMs, undefined, { signal: moved.signal }).catch(() => undefined)
      moved = new AbortController()
      if (!signal.aborted) ended = new AbortController()
    },
  }
}
