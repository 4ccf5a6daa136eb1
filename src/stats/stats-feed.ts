import { setTimeout as sleep } from 'node:timers/promises'
import { isDatabaseAway } from '../db/is-database-away.ts'
import type { ProjectId } from '../kernel/ids.ts'
import { type Bus, statsChannel } from '../live/bus.ts'
import type { StatsBucket } from './stats-bucket.ts'
import type { StatsStore } from './stats-store.ts'
import { type ToldMinutes, toldMinutes } from './told-minutes.ts'

/*
 * Tells of the running minute. Whoever watches the same nodes shares a group; once a second, as long as anybody watches,
 * one statement reads all groups that a wake-up said something of, or that were not looked at for some time:
 *
 *   bus ──wake-up──▶ group is due ──one read a second for all──▶ what changed ──▶ each watcher, which takes the latest
 */
export interface StatsFeed {
  /**
   * The bucket of the running minute as it is, then when it changes, and a last time when it is over. Ends when the signal
   * is aborted, the consumer returns or the feed is closed. While the database is away it waits, except at the beginning.
   */
  watch(options: WatchedNodes & { readonly signal: AbortSignal }): AsyncGenerator<StatsBucket, void, undefined>
  close(): void
}

export interface WatchedNodes {
  readonly projectId: ProjectId
  /** What they counted is added up. */
  readonly nodeIds: readonly string[]
}

export interface StatsFeedDeps {
  readonly store: Pick<StatsStore, 'latestMinutes'>
  readonly bus: Pick<Bus, 'subscribe' | 'isHealthy'>
  /** Between two reads. Default 1,000. */
  readonly restMs?: number
}

const defaultRestMs = 1_000
const pollMs = { healthy: 5_000, unhealthy: 1_000 }

interface Group extends WatchedNodes {
  readonly key: string
  readonly watchers: Set<Watcher>
  readonly told: ToldMinutes
  /** Its first read, which its first watcher began. */
  readonly opening: Promise<void>
  isDue: boolean
  lookedMs: number
  readonly stopListening: () => void
}

export function createStatsFeed({ store, bus, restMs = defaultRestMs }: StatsFeedDeps): StatsFeed {
  const groups = new Map<string, Group>()
  const closing = new AbortController()
  let isRunning = false

  async function run(): Promise<void> {
    isRunning = true
    while (groups.size > 0 && !closing.signal.aborted) {
      await sleep(restMs, undefined, { signal: closing.signal }).catch(() => undefined)
      const nowMs = performance.now()
      const oldestMs = nowMs - (bus.isHealthy() ? pollMs.healthy : pollMs.unhealthy)
      const due = [...groups.values()].filter((group) => group.isDue || group.lookedMs <= oldestMs)
      if (due.length > 0) await look(due).catch((error: unknown) => missed(due, error))
    }
    isRunning = false
  }

  async function look(due: readonly Group[]): Promise<void> {
    for (const group of due) {
      group.isDue = false
      group.lookedMs = performance.now()
    }
    const queries = due.map(({ nodeIds, told }) => ({ nodeIds, sinceMs: told.sinceMs() }))
    const { nowMs, buckets } = await store.latestMinutes(queries)
    for (const [place, group] of due.entries()) {
      const news = group.told.news(nowMs, buckets[place] ?? new Map())
      for (const watcher of group.watchers) watcher.tell(news)
    }
  }

  function missed(due: readonly Group[], error: unknown): void {
    for (const group of due) {
      group.isDue = true
      if (!isDatabaseAway(error)) for (const watcher of group.watchers) watcher.fail(error)
    }
  }

  function groupOf({ projectId, nodeIds }: WatchedNodes): Group {
    const key = nodeIds.toSorted().join(' ')
    const known = groups.get(key)
    if (known !== undefined) return known
    const told = toldMinutes()
    const { promise: opening, resolve, reject } = Promise.withResolvers<void>()
    const wake = () => {
      group.isDue = true
    }
    const stopListening = bus.subscribe(statsChannel(projectId), wake)
    const group: Group = {
      key,
      projectId,
      nodeIds,
      watchers: new Set(),
      told,
      opening,
      isDue: true,
      lookedMs: 0,
      stopListening,
    }
    groups.set(key, group)
    look([group]).then(resolve, reject)
    // Told to whoever waits for it.
    opening.catch(() => undefined)
    return group
  }

  function leave(group: Group, watcher: Watcher): void {
    group.watchers.delete(watcher)
    if (group.watchers.size > 0) return
    group.stopListening()
    if (groups.get(group.key) === group) groups.delete(group.key)
  }

  return {
    async *watch({ signal, ...nodes }) {
      const group = groupOf(nodes)
      const watcher = createWatcher()
      const end = () => watcher.end()
      group.watchers.add(watcher)
      signal.addEventListener('abort', end)
      closing.signal.addEventListener('abort', end)
      try {
        await group.opening
        if (!isRunning) void run()
        watcher.tell(group.told.running())
        while (!signal.aborted && !closing.signal.aborted) {
          const bucket = await watcher.next()
          if (bucket === null) return
          yield bucket
        }
      } finally {
        signal.removeEventListener('abort', end)
        closing.signal.removeEventListener('abort', end)
        leave(group, watcher)
      }
    },
    close: () => closing.abort(),
  }
}

type Watcher = ReturnType<typeof createWatcher>

/** Minutes that wait for a slow consumer; of each only the latest bucket. */
const maxWaiting = 60

function createWatcher() {
  const waiting = new Map<number, StatsBucket>()
  let failure: { readonly error: unknown } | null = null
  let isEnded = false
  let wake = () => {}
  return {
    tell(buckets: readonly StatsBucket[]): void {
      for (const bucket of buckets) waiting.set(bucket.from.getTime(), bucket)
      for (const minute of waiting.keys()) {
        if (waiting.size <= maxWaiting) break
        waiting.delete(minute)
      }
      wake()
    },
    fail(error: unknown): void {
      failure = { error }
      wake()
    },
    end(): void {
      isEnded = true
      wake()
    },
    /** @returns null at the end. @throws what reading failed with. */
    async next(): Promise<StatsBucket | null> {
      for (;;) {
        if (isEnded) return null
        if (failure !== null) throw failure.error
        const [first] = waiting
        if (first !== undefined) {
          waiting.delete(first[0])
          return first[1]
        }
        const { promise, resolve } = Promise.withResolvers<void>()
        wake = resolve
        await promise
      }
    },
  }
}
