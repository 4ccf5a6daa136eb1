import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Sql } from '../db/sql.ts'
import type { Logger } from '../kernel/log.ts'
import type { TaskDefinition, TaskHandler } from './define-task.ts'
import type { ClaimedTask } from './task-rows.ts'

/** How one run of a task ended. `lost`: another process had the task by then. */
type RunOutcome = 'done' | 'postponed' | 'failed' | 'lost'

export interface FetchedTask extends ClaimedTask {
  readonly data: unknown
}

/** What a run does to its task; all of it fenced by the claim. */
export interface TaskActions {
  /** @returns false when the claim is lost. */
  remove(task: ClaimedTask, sql?: Sql): Promise<boolean>
  giveBack(task: ClaimedTask, delayMs: number): Promise<void>
}

export interface TaskRunnerOptions<Payload extends object> {
  readonly definition: TaskDefinition<Payload>
  readonly handler: TaskHandler<Payload>
  readonly actions: TaskActions
  readonly closing: AbortSignal
  readonly signal: AbortSignal
  readonly log: Logger
  readonly meters: TaskMeters
}

export type TaskMeters = ReturnType<typeof createTaskMeters>

/** A poisoned task comes back ever more rarely, but never less than once in this time. */
const longestBackOffMs = 60_000

/** Runs one task from claim to end, and writes one log line about it. */
export function createTaskRunner<Payload extends object>(options: TaskRunnerOptions<Payload>) {
  const { definition, actions, log, meters } = options
  const labels = { task: definition.name }

  async function attempt(task: FetchedTask): Promise<RunOutcome> {
    let state: 'open' | 'settled' | 'lost' | 'postponed' = 'open'
    await options.handler(definition.payload.parse(task.data), {
      id: task.id,
      closing: options.closing,
      signal: options.signal,
      async settle(sql) {
        state = (await actions.remove(task, sql)) ? 'settled' : 'lost'
        return state === 'settled'
      },
      postpone() {
        state = 'postponed'
      },
    })
    return end(task, state)
  }

  async function end(task: FetchedTask, state: 'open' | 'settled' | 'lost' | 'postponed'): Promise<RunOutcome> {
    if (state === 'settled') return 'done'
    if (state === 'lost') return 'lost'
    if (state === 'open') return (await actions.remove(task)) ? 'done' : 'lost'
    await actions.giveBack(task, 0)
    return 'postponed'
  }

  /** Never throws. */
  return async function run(task: FetchedTask): Promise<void> {
    const startMs = performance.now()
    let outcome: RunOutcome = 'failed'
    let error: unknown
    meters.running.inc(labels)
    try {
      outcome = await attempt(task)
    } catch (thrown) {
      error = thrown
      // If this fails as well the heart-beat gives the task back.
      await actions.giveBack(task, options.closing.aborted ? 0 : backOffMs(task.retryCount)).catch(() => undefined)
    }
    const durationMs = Math.round(performance.now() - startMs)
    meters.running.dec(labels)
    meters.duration.observe(labels, durationMs / 1000)
    meters.ended.inc({ ...labels, outcome })
    const { id: taskId, data, retryCount } = task
    const line = { task: definition.name, taskId, payload: data, try: retryCount + 1, durationMs, outcome }
    if (outcome === 'failed') log.warn({ ...line, err: error }, 'task failed')
    else log[definition.isRoutine === true ? 'debug' : 'info'](line, 'task ended')
  }
}

export function createTaskMeters(metrics: Registry) {
  return {
    ended: new Counter({
      name: 'hookline_tasks_total',
      help: 'Runs of tasks that ended, by outcome.',
      labelNames: ['task', 'outcome'],
      registers: [metrics],
    }),
    duration: new Histogram({
      name: 'hookline_task_duration_seconds',
      help: 'How long runs of tasks took.',
      labelNames: ['task'],
      buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60],
      registers: [metrics],
    }),
    running: new Gauge({
      name: 'hookline_tasks_running',
      help: 'Tasks that run in this process now.',
      labelNames: ['task'],
      registers: [metrics],
    }),
  }
}

// Half of it random, so that tasks that failed together do not come back together.
function backOffMs(retryCount: number): number {
  const ceiling = Math.min(longestBackOffMs, 1000 * 2 ** Math.min(retryCount, 6))
  return ceiling * (0.5 + Math.random() / 2)
}
