import type { Pool } from 'pg'
import type { PgBoss } from 'pg-boss'
import { sqlOfPool } from '../db/sql.ts'
import type { Logger } from '../kernel/log.ts'
import { insideDatabase, preparedDatabase } from './boss-database.ts'
import type { TaskDefinition, TaskHandler } from './define-task.ts'
import { createPump, type Pump } from './pump.ts'
import { touchIntervalMs } from './queue-policy.ts'
import { giveBack } from './task-rows.ts'
import { createTaskRunner, type FetchedTask, type TaskActions, type TaskMeters } from './task-runner.ts'

/** A station is where this process works on one kind of task: a pump, and what it has under way. */
export interface Stations {
  open<Payload extends object>(
    definition: TaskDefinition<Payload>,
    handler: TaskHandler<Payload>,
    concurrency: number,
  ): void
  /** @returns whether there is a station with room: then nobody else has to be told. */
  wake(name: string): boolean
  /** Fetches no more, lets handlers end within the grace, aborts them, gives back what is left. */
  close(graceMs: number): Promise<void>
}

export interface StationsOptions {
  readonly boss: PgBoss
  readonly pool: Pool
  readonly log: Logger
  readonly meters: TaskMeters
}

/** How long aborted handlers have to let go. What they hold then is given back over their heads. */
const letGoMs = 5_000

interface Station {
  readonly pump: Pump
  readonly running: Map<string, FetchedTask>
  readonly actions: TaskActions
}

export function createStations(options: StationsOptions): Stations {
  const stations = new Map<string, Station>()
  const closing = new AbortController()
  const aborting = new AbortController()
  const prepared = preparedDatabase(options.pool)
  const touching = setInterval(() => void touchAll(), touchIntervalMs).unref()

  async function touchAll(): Promise<void> {
    for (const [name, { running }] of stations) {
      if (running.size === 0) continue
      const claims = [...running.values()].map(({ id, retryCount }) => ({ id, retryCount }))
      await options.boss.touch(name, claims, { db: prepared }).catch((error: unknown) => {
        options.log.warn({ err: error, task: name, tasks: claims.length }, 'touching running tasks failed')
      })
    }
  }

  return {
    open(definition, handler, concurrency) {
      const actions = createActions(options, definition.name)
      const signals = { closing: closing.signal, signal: aborting.signal }
      const run = createTaskRunner({ ...options, ...signals, definition, handler, actions })
      stations.set(definition.name, { ...startPump(options, definition.name, run, concurrency), actions })
    },
    wake(name) {
      const pump = stations.get(name)?.pump
      pump?.wake()
      return pump?.hasRoom() === true
    },
    async close(graceMs) {
      closing.abort()
      const pumps = [...stations.values()].map(({ pump }) => pump)
      await Promise.all(pumps.map((pump) => pump.stop()))
      const idle = Promise.all(pumps.map((pump) => pump.idle()))
      if (!(await endsWithin(idle, graceMs))) aborting.abort()
      await endsWithin(idle, letGoMs)
      clearInterval(touching)
      await giveBackRest(stations, options.log)
    },
  }
}

function startPump(
  { boss, pool, log }: StationsOptions,
  name: string,
  run: (task: FetchedTask) => Promise<void>,
  concurrency: number,
): Pick<Station, 'pump' | 'running'> {
  const running = new Map<string, FetchedTask>()
  const prepared = preparedDatabase(pool)
  let isFailing = false
  const pump = createPump<FetchedTask>({
    concurrency,
    async fetch(batchSize) {
      const tasks = await boss.fetch<object>(name, { batchSize, db: prepared })
      if (isFailing) log.info({ task: name }, 'tasks can be fetched again')
      isFailing = false
      return tasks
    },
    async run(task) {
      running.set(task.id, task)
      await run(task)
      running.delete(task.id)
    },
    onFetchError(error) {
      if (!isFailing) log.warn({ err: error, task: name }, 'fetching tasks failed; it is tried until it succeeds')
      isFailing = true
    },
  })
  return { pump, running }
}

function createActions({ boss, pool }: StationsOptions, name: string): TaskActions {
  const prepared = preparedDatabase(pool)
  return {
    async remove({ id, retryCount }, sql) {
      const db = sql === undefined ? prepared : insideDatabase(sql)
      return countOf(await boss.deleteJob(name, { id, retryCount }, { db })) === 1
    },
    giveBack: (task, delayMs) => giveBack(sqlOfPool(pool), name, task, delayMs),
  }
}

// pg-boss's types keep the count to themselves; without it a lost claim would look like a success.
function countOf(response: object): unknown {
  return 'affected' in response ? response.affected : undefined
}

async function giveBackRest(stations: ReadonlyMap<string, Station>, log: Logger): Promise<void> {
  for (const [name, { running, actions }] of stations) {
    for (const task of running.values()) await actions.giveBack(task, 0)
    if (running.size > 0) log.warn({ task: name, tasks: running.size }, 'handlers did not let go of their tasks')
  }
}

async function endsWithin(work: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => resolve(false), timeoutMs)
  void work.then(() => resolve(true))
  const ended = await promise
  clearTimeout(timer)
  return ended
}
