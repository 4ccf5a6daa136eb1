import { setTimeout as sleep } from 'node:timers/promises'
import { isDatabaseAway } from '../db/is-database-away.ts'
import type { DeliveryId, ProjectId } from '../kernel/ids.ts'
import { isWithin } from '../kernel/time-range.ts'
import { type Bus, deliveriesChannel } from '../live/bus.ts'
import type { Delivery, DeliveryFilter } from './delivery.ts'
import type { DeliveryStore } from './delivery-store.ts'

/*
 * Deliveries as they are, then each that is created or changes:
 *
 *   latest 100 ──▶ wake-ups name ids: read these; an empty one, or the poll: read the latest and those seen open
 *
 * A wake-up is only a hint. What is told is read from the database, and only if it differs from what was told last, so
 * that quick changes are told as one and nothing is told twice. What the poll can miss is a change that lost its
 * wake-up, of a delivery that is neither among the latest nor was told while it was open.
 */
export interface WatchDeps {
  readonly store: Pick<DeliveryStore, 'latest' | 'byIds'>
  readonly bus: Pick<Bus, 'subscribe' | 'isHealthy'>
}

export interface WatchOptions {
  readonly projectId: ProjectId
  readonly filter: DeliveryFilter
  readonly signal: AbortSignal
}

const maxLatest = 100
/** Told deliveries that are remembered; enough for all that is open in a screenful of work. */
const maxRemembered = 1_000
/** Ids that wait to be read while the consumer is slow; past it everything recent is read instead. */
const maxPending = 1_000
const retryMs = 1_000
const pollMs = { healthy: 5_000, unhealthy: 1_000 }

/** Ends when the signal is aborted or the consumer returns. While the database is away it waits, except at the beginning. */
export async function* watchDeliveries(
  deps: WatchDeps,
  { projectId, filter, signal }: WatchOptions,
): AsyncGenerator<Delivery, void, undefined> {
  const told = new Map<DeliveryId, Delivery>()
  const hints = collectHints(deps, projectId)
  try {
    let found = await deps.store.latest(projectId, filter, maxLatest)
    while (!signal.aborted) {
      for (const delivery of found) {
        if (!isNews(told.get(delivery.id), delivery)) continue
        remember(told, delivery)
        yield delivery
      }
      const ids = await hints.next(deps.bus.isHealthy() ? pollMs.healthy : pollMs.unhealthy, signal)
      if (signal.aborted) return
      try {
        found =
          ids === null ? await look(deps, { projectId, filter }, told) : await read(deps, { projectId, filter }, ids)
      } catch (error) {
        if (!isDatabaseAway(error)) throw error
        found = []
        await sleep(retryMs, undefined, { signal }).catch(() => undefined)
        hints.lookNext()
      }
    }
  } finally {
    hints.stop()
  }
}

type Scope = Pick<WatchOptions, 'projectId' | 'filter'>

async function look({ store }: WatchDeps, { projectId, filter }: Scope, told: Map<DeliveryId, Delivery>) {
  const open = [...told.values()].filter((delivery) => delivery.nextAttemptAt !== null).map((delivery) => delivery.id)
  const changed = open.length === 0 ? [] : await store.byIds(projectId, open)
  const latest = await store.latest(projectId, filter, maxLatest)
  return [...changed.filter((delivery) => matches(filter, delivery)), ...latest.reverse()]
}

async function read({ store }: WatchDeps, { projectId, filter }: Scope, ids: readonly DeliveryId[]) {
  const found = await store.byIds(projectId, ids)
  return found.filter((delivery) => matches(filter, delivery)).sort((a, b) => (a.id < b.id ? -1 : 1))
}

function matches(filter: DeliveryFilter, delivery: Delivery): boolean {
  const { endpointId, sourceIds, statuses, ids, createdAt } = filter
  if (endpointId !== undefined && delivery.endpointId !== endpointId) return false
  if (sourceIds !== undefined && !sourceIds.includes(delivery.sourceId)) return false
  if (ids !== undefined && !ids.includes(delivery.id)) return false
  if (createdAt !== undefined && !isWithin(createdAt, delivery.createdAt)) return false
  return statuses === undefined || statuses.includes(delivery.status)
}

function isNews(before: Delivery | undefined, now: Delivery): boolean {
  if (before === undefined) return true
  return before.status !== now.status || before.attemptCount !== now.attemptCount || before.updatedAt < now.updatedAt
}

function remember(told: Map<DeliveryId, Delivery>, delivery: Delivery): void {
  told.delete(delivery.id)
  told.set(delivery.id, delivery)
  const [oldest] = told.keys()
  if (told.size > maxRemembered && oldest !== undefined) told.delete(oldest)
}

/** Gathers the ids of wake-ups until they are asked for. */
function collectHints({ bus }: WatchDeps, projectId: ProjectId) {
  const ids = new Set<DeliveryId>()
  let mustLook = false
  let wake = () => {}
  const stop = bus.subscribe(deliveriesChannel(projectId), (payload) => {
    for (const id of payload.split(',')) ids.add(id as DeliveryId)
    if (payload === '' || ids.size > maxPending) mustLook = true
    if (mustLook) ids.clear()
    wake()
  })
  return {
    stop,
    /** What hints said was not read: everything recent is to be looked at next. */
    lookNext() {
      mustLook = true
    },
    /** @returns null: look at everything recent. */
    async next(timeoutMs: number, signal: AbortSignal): Promise<DeliveryId[] | null> {
      if (!mustLook && ids.size === 0) mustLook = !(await wokenWithin(timeoutMs, signal))
      const found = mustLook ? null : [...ids]
      mustLook = false
      ids.clear()
      return found
    },
  }

  async function wokenWithin(timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return true
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const timer = setTimeout(() => resolve(mustLook), timeoutMs)
    const onAbort = () => resolve(true)
    wake = () => resolve(!mustLook)
    signal.addEventListener('abort', onAbort)
    const isWoken = await promise
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
    return isWoken
  }
}
