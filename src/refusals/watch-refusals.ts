import { setTimeout as sleep } from 'node:timers/promises'
import { isDatabaseAway } from '../db/is-database-away.ts'
import { CodedError } from '../kernel/coded-error.ts'
import type { RefusalId, SourceId } from '../kernel/ids.ts'
import { type Bus, refusalsChannel } from '../live/bus.ts'
import type { Refusal } from './refusal.ts'
import type { KnownRefusals, RefusalStore } from './refusal-store.ts'

/*
 * The latest refusals of a source, then each as it is kept. A wake-up only says: look; without one the source is looked
 * at now and then.
 *
 * Ids are given when a request is refused, and rows are written a little later, by several processes: what is new may
 * have an id before one that was told. So what was told lately is remembered by its ids, rather than by one place.
 */
export interface WatchRefusalsDeps {
  readonly store: Pick<RefusalStore, 'latest' | 'further'>
  readonly bus: Pick<Bus, 'subscribe' | 'isHealthy'>
  /** How often it is looked without a wake-up. Default 5,000 and 1,000. */
  readonly pollMs?: { readonly healthy: number; readonly unhealthy: number }
}

export interface WatchRefusalsOptions {
  readonly sourceId: SourceId
  readonly signal: AbortSignal
}

const maxLatest = 100
/** Some seconds of the worst flood that is kept. */
const maxRemembered = 500
const retryMs = 1_000

/**
 * Ends when the signal is aborted or the consumer returns. While the database is away it waits, except at the beginning.
 *
 * @throws CodedError NOT_FOUND when the source is deleted.
 */
export async function* watchRefusals(
  deps: WatchRefusalsDeps,
  { sourceId, signal }: WatchRefusalsOptions,
): AsyncGenerator<Refusal, void, undefined> {
  const { healthy, unhealthy } = deps.pollMs ?? { healthy: 5_000, unhealthy: 1_000 }
  const wakeUps = listen(deps.bus, sourceId, signal)
  try {
    let found = await deps.store.latest(sourceId, maxLatest)
    const told = createMemory(found.length < maxLatest ? null : (found[0]?.id ?? null))
    while (!signal.aborted) {
      for (const refusal of found) {
        told.add(refusal.id)
        yield refusal
      }
      if (found.length < maxLatest) await wakeUps.next(deps.bus.isHealthy() ? healthy : unhealthy)
      if (signal.aborted) return
      found = await look(deps, sourceId, told.known()).catch(async (error: unknown) => {
        if (!isDatabaseAway(error)) throw error
        await sleep(retryMs, null, { signal }).catch(() => undefined)
        wakeUps.repeat()
        return []
      })
    }
  } finally {
    wakeUps.stop()
  }
}

async function look({ store }: WatchRefusalsDeps, sourceId: SourceId, known: KnownRefusals): Promise<Refusal[]> {
  const found = await store.further(sourceId, known, maxLatest)
  if (found === null) throw new CodedError('NOT_FOUND', `The source ${sourceId} does not exist.`)
  return found
}

/** Remembers the latest ids; those that it forgets, and all before them, count as told. */
function createMemory(upTo: RefusalId | null) {
  let ids: RefusalId[] = []
  let forgotten = upTo
  return {
    add(id: RefusalId): void {
      ids.push(id)
      // Twice as many now and then, so that they are not sorted for each.
      if (ids.length < maxRemembered * 2) return
      ids.sort()
      forgotten = ids[maxRemembered - 1] ?? null
      ids = ids.slice(maxRemembered)
    },
    known: (): KnownRefusals => ({ upTo: forgotten, ids }),
  }
}

function listen(bus: WatchRefusalsDeps['bus'], sourceId: SourceId, signal: AbortSignal) {
  let isWoken = false
  let waiting = new AbortController()
  function wake(): void {
    isWoken = true
    waiting.abort()
  }
  const unsubscribe = bus.subscribe(refusalsChannel(sourceId), wake)
  signal.addEventListener('abort', wake)
  return {
    stop() {
      unsubscribe()
      signal.removeEventListener('abort', wake)
    },
    /** What a wake-up said was not read: the next wait is none. */
    repeat: wake,
    /** Resolves at the next wake-up, at the latest after this time. */
    async next(timeoutMs: number): Promise<void> {
      waiting = new AbortController()
      if (!isWoken && !signal.aborted) await sleep(timeoutMs, null, { signal: waiting.signal }).catch(() => undefined)
      isWoken = false
    },
  }
}
