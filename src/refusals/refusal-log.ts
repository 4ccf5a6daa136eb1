import { setTimeout as sleep } from 'node:timers/promises'
import type { Registry } from 'prom-client'
import type { Sql } from '../db/sql.ts'
import { newId } from '../kernel/ids.ts'
import type { Logger } from '../kernel/log.ts'
import type { Bus } from '../live/bus.ts'
import { createAllowance } from './allowance.ts'
import type { NewRefusal, Refusal } from './refusal.ts'
import { createRefusalMeters } from './refusal-meters.ts'
import { createRefusalWriter } from './refusal-writer.ts'
import { storable } from './storable.ts'
import { createUncounted } from './uncounted.ts'

/**
 * Keeps what was turned away, at a price that whoever is turned away cannot raise:
 *
 *   add ──▶ allowance (50 a second and source) ──▶ waiting (5,000, the oldest give way) ──▶ one insert per 250 ms
 *
 * What is left out is counted, by source and minute, and forgotten. While the database is away what waits goes on waiting.
 */
export interface RefusalLog {
  /** Never throws and never waits. Whether it is kept is not told: see `hookline_refusals_dropped_total`. */
  add(refusal: NewRefusal): void
  /** Writes what waits, for two seconds at most; what comes afterwards is only counted. */
  close(): Promise<void>
}

export interface RefusalLogDeps {
  readonly sql: Sql
  readonly bus: Pick<Bus, 'publish'>
  readonly log: Logger
  readonly metrics: Registry
  /** Between two writes. Default 250. */
  readonly restMs?: number
  /** Between two tries while the database is away. Default 1,000. */
  readonly retryMs?: number
}

/** Rows of some 2 KiB at most. */
const maxWaiting = 5_000
const maxBatch = 500
const closeMs = 2_000

export function createRefusalLog(deps: RefusalLogDeps): RefusalLog {
  const { restMs = 250, retryMs = 1_000 } = deps
  const meters = createRefusalMeters(deps.metrics)
  const writer = createRefusalWriter({ ...deps, onDropped: meters.dropped })
  const allowance = createAllowance()
  const closing = new AbortController()
  const waiting: Refusal[] = []
  const uncounted = createUncounted()
  let running: Promise<void> = Promise.resolve()
  let isRunning = false

  async function run(): Promise<void> {
    isRunning = true
    let isWritten = true
    while ((waiting.length > 0 || !uncounted.isEmpty()) && (isWritten || !closing.signal.aborted)) {
      const batch = waiting.splice(0, maxBatch)
      isWritten = await write(batch)
      if (!isWritten) {
        // Those that are there already stay as they are.
        waiting.unshift(...batch)
        bound()
      }
      const rest = { signal: closing.signal, ref: false }
      await sleep(isWritten ? restMs : retryMs, null, rest).catch(() => undefined)
    }
    isRunning = false
  }

  async function write(batch: readonly Refusal[]): Promise<boolean> {
    if (batch.length > 0 && !(await writer.write(batch))) return false
    const refused = uncounted.take()
    if (refused.length === 0 || (await writer.count(refused))) return true
    uncounted.giveBack(refused)
    return false
  }

  function bound(): void {
    const excess = waiting.length - maxWaiting
    if (excess <= 0) return
    for (const refusal of waiting.splice(0, excess)) uncounted.add(refusal)
    meters.dropped(excess)
  }

  return {
    add(refusal) {
      const nowMs = Date.now()
      meters.refused(refusal.reason)
      if (closing.signal.aborted) return meters.dropped(1)
      const refusedAt = new Date(nowMs)
      if (allowance.take(refusal.sourceId, nowMs)) {
        waiting.push({ ...storable(refusal), id: newId('ref'), refusedAt })
        bound()
      } else {
        uncounted.add({ ...refusal, refusedAt })
        meters.dropped(1)
      }
      if (!isRunning) running = run()
    },
    async close() {
      closing.abort()
      await Promise.race([running, sleep(closeMs, null, { ref: false })])
      meters.dropped(waiting.length)
      waiting.length = 0
    },
  }
}
