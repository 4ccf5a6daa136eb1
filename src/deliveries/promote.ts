import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from '../db/sql.ts'
import type { EndpointId } from '../kernel/ids.ts'
import type { Logger } from '../kernel/log.ts'
import type { TaskQueue } from '../queue/index.ts'
import { leaveRetention } from '../retention/index.ts'
import { leaveRecording } from '../system-events/index.ts'
import { drainTask, drainTaskFor } from './drain.task.ts'
import { maintainTask } from './maintain.task.ts'
import { hasWork } from './sendable.ts'

/**
 * Leaves drain tasks for endpoints whose deliveries have fallen due: retries, what a dead process had under way, and what
 * was held back by a throttle or a breaker whose time has come. Likewise the task that records system events, where some
 * wait. Now and then it also leaves the task that maintains all, and tasks for sources that keep more than they may. Every
 * process looks; a task that waits already is not left twice.
 */
export interface Promoter {
  start(): void
  stop(): Promise<void>
}

export interface PromoterDeps {
  readonly sql: Sql
  readonly queue: Pick<TaskQueue, 'enqueue' | 'wake'>
  readonly log: Logger
  /** Between two looks. */
  readonly intervalMs: number
  /** How old messages become where neither source nor project has a rule; null: any age. */
  readonly defaultMaxAgeHours: number | null
}

/** However many endpoints there are, looking takes at most about this share of one connection's time. */
const maxShare = 0.05
const maxEndpoints = 1_000
/** The periodic task comes back this long after it was left, and is left this often: about once a minute in all. */
const maintainIntervalSeconds = 30
/** A busy source passes its bounds by what comes in this long; a changed rule holds this soon. */
const retainIntervalMs = 10_000

export function createPromoter(deps: PromoterDeps): Promoter {
  const stopping = new AbortController()
  let running: Promise<void> = Promise.resolve()

  async function run(): Promise<void> {
    const looks = looksOf(deps)
    while (!stopping.signal.aborted) {
      const startMs = performance.now()
      for (const look of looks.filter(({ dueAtMs }) => startMs >= dueAtMs)) {
        await look.run().catch((error: unknown) => deps.log.warn({ err: error }, `looking for ${look.name} failed`))
        look.dueAtMs = startMs + look.intervalMs
      }
      const restMs = (performance.now() - startMs) / maxShare
      await sleep(Math.max(deps.intervalMs, restMs), null, stopping).catch(() => undefined)
    }
  }

  return {
    start() {
      running = run()
    },
    async stop() {
      stopping.abort()
      await running
    },
  }
}

interface Look {
  /** For the log. */
  readonly name: string
  readonly intervalMs: number
  readonly run: () => Promise<unknown>
  dueAtMs: number
}

function looksOf(deps: PromoterDeps): Look[] {
  const look = (name: string, intervalMs: number, run: () => Promise<unknown>) => ({
    name,
    intervalMs,
    run,
    dueAtMs: 0,
  })
  return [
    look('due deliveries', 0, () => promoteDue(deps)),
    look('system events', 0, () => leaveRecording(deps)),
    look('lost work', maintainIntervalSeconds * 1000, () => leaveMaintenance(deps)),
    look('messages past their retention', retainIntervalMs, () => leaveRetention(deps, deps.defaultMaxAgeHours)),
  ]
}

/** One look. @returns the endpoints that may be sent to and have due deliveries, but nobody who sends them. */
export async function promoteDue({ sql, queue }: Pick<PromoterDeps, 'sql' | 'queue'>): Promise<EndpointId[]> {
  const rows = await sql.query<{ endpoint_id: EndpointId }>(dueText, [maxEndpoints])
  // The order in which fan-out leaves such tasks: whoever inserts one waits for those who insert the same one.
  const endpointIds = rows.map((row) => row.endpoint_id).sort()
  if (endpointIds.length === 0) return endpointIds
  await queue.enqueue(sql, drainTask, endpointIds.map(drainTaskFor))
  queue.wake(drainTask)
  return endpointIds
}

async function leaveMaintenance({ sql, queue }: PromoterDeps): Promise<void> {
  const task = { payload: {}, singletonKey: 'all', delaySeconds: maintainIntervalSeconds }
  await queue.enqueue(sql, maintainTask, [task])
}

// Who waits longest comes first by chance only: the next look finds the rest.
const dueText = `
  select s.endpoint_id
    from endpoint_states as s
   where (s.lease_expires_at is null or s.lease_expires_at <= now())
     and ${hasWork('s')}
   limit $1::int`
