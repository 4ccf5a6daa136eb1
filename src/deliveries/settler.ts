import { setTimeout as sleep } from 'node:timers/promises'
import { isDatabaseAway } from '../db/is-database-away.ts'
import type { Sql } from '../db/sql.ts'
import type { EndpointId } from '../kernel/ids.ts'
import type { Logger } from '../kernel/log.ts'
import { type Settled, type Settlement, settle } from './settle.ts'

/**
 * Settles by group commit, for all endpoints of the process together: while one batch is being written, the outcomes of
 * whoever is sending gather for the next. So the busier the process, the fewer statements per delivery. There are no
 * timers: with one outcome the batch is one.
 */
export interface Settler {
  /**
   * @returns null when the delivery is gone.
   * @throws what the database said last: after two minutes without one, or after some tries that it refused.
   */
  settle(settlement: Settlement): Promise<Settled | null>
}

export interface SettlerOptions {
  readonly sql: Sql
  /** On one connection of a keyed pool: batches follow each other on it. What is settled by itself uses `sql`. */
  readonly keyedSql: Sql
  readonly instanceId: string
  readonly log: Logger
  /** Called after each commit. Must not throw. */
  readonly onSettled: (batch: readonly Settlement[], settled: readonly Settled[]) => void
  /** Between two tries. Default 500. */
  readonly retryDelayMs?: number
}

const maxBatch = 500
/** Response bodies of one statement. */
const maxBatchBytes = 4 * 1024 * 1024
/** Batches that wait for a row, or try again; each holds a connection of the shared pool while it waits. */
const maxAside = 4
/**
 * While the database is away outcomes are kept for longer than the lease they were made under: what a receiver accepted
 * is delivered all the same, and forgetting it would send it again.
 */
const tries = { away: 240, refused: 20 }
const retryDelayMs = 500

interface Waiting {
  readonly settlement: Settlement
  readonly resolve: (settled: Settled | null) => void
  readonly reject: (error: unknown) => void
}

export function createSettler(options: SettlerOptions): Settler {
  const { sql, keyedSql, instanceId, log } = options
  const waiting: Waiting[] = []
  const aside: Waiting[][] = []
  let asideRunning = 0
  let isRunning = false

  async function run(): Promise<void> {
    isRunning = true
    while (waiting.length > 0) {
      const batch = takeBatch(waiting)
      try {
        settleAside(await write(batch, 'skip'))
      } catch (error) {
        log.warn({ err: error, deliveries: batch.length }, 'settling failed; each endpoint is tried by itself')
        settleAside(batch)
      }
    }
    isRunning = false
  }

  /** @returns those whose rows were locked or are gone. */
  async function write(batch: readonly Waiting[], lockedRows: 'skip' | 'wait'): Promise<Waiting[]> {
    const settlements = batch.map(({ settlement }) => settlement)
    const settled = await settle(lockedRows === 'skip' ? keyedSql : sql, settlements, { instanceId, lockedRows })
    const byId = new Map(settled.map((one) => [one.deliveryId, one]))
    options.onSettled(settlements, settled)
    const rest: Waiting[] = []
    for (const item of batch) {
      const one = byId.get(item.settlement.deliveryId)
      if (one === undefined) rest.push(item)
      else item.resolve(one)
    }
    return rest
  }

  function settleAside(items: readonly Waiting[]): void {
    aside.push(...byEndpoint(items))
    while (asideRunning < maxAside) {
      const group = aside.shift()
      if (group === undefined) return
      asideRunning += 1
      void writeAlone(group).finally(() => {
        asideRunning -= 1
        settleAside([])
      })
    }
  }

  async function writeAlone(group: readonly Waiting[]): Promise<void> {
    let attempt = 1
    let failure = await tryAlone(group)
    while (failure !== null && attempt < (isDatabaseAway(failure.error) ? tries.away : tries.refused)) {
      await sleep(options.retryDelayMs ?? retryDelayMs)
      attempt += 1
      failure = await tryAlone(group)
    }
    if (failure !== null) for (const item of group) item.reject(failure.error)
  }

  /** @returns null when it was written. */
  async function tryAlone(group: readonly Waiting[]): Promise<{ error: unknown } | null> {
    try {
      for (const item of await write(group, 'wait')) item.resolve(null)
      return null
    } catch (error) {
      return { error }
    }
  }

  return {
    settle(settlement) {
      const { promise, resolve, reject } = Promise.withResolvers<Settled | null>()
      waiting.push({ settlement, resolve, reject })
      if (!isRunning) void run()
      return promise
    },
  }
}

function takeBatch(waiting: Waiting[]): Waiting[] {
  let bytes = 0
  let length = 0
  for (const { settlement } of waiting) {
    bytes += settlement.outcome.response?.body.length ?? 0
    if (length === maxBatch || (length > 0 && bytes > maxBatchBytes)) break
    length += 1
  }
  return waiting.splice(0, length)
}

function byEndpoint(items: readonly Waiting[]): Waiting[][] {
  const groups = new Map<EndpointId, Waiting[]>()
  for (const item of items) {
    const { endpointId } = item.settlement.lease
    const group = groups.get(endpointId)
    if (group === undefined) groups.set(endpointId, [item])
    else group.push(item)
  }
  return [...groups.values()]
}
