import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import { PgBoss } from 'pg-boss'
import type { Registry } from 'prom-client'
import { type Sql, sqlOfPool } from '../db/sql.ts'
import type { Logger } from '../kernel/log.ts'
import { insideDatabase, plainDatabase, preparedDatabase, recordingDatabase, statementName } from './boss-database.ts'
import type { NewTask, TaskDefinition, TaskHandler } from './define-task.ts'
import { createPump, type Pump } from './pump.ts'
import { bossOptions, queuePolicy, touchIntervalMs } from './queue-policy.ts'
import { giveBack, giveBackAll } from './task-rows.ts'
import { createTaskMeters, createTaskRunner, type FetchedTask, type TaskActions } from './task-runner.ts'

/** The part of the live bus that wake-ups travel over; losing one loses nothing. */
export interface WakeUpBus {
  publish(channel: string, payload?: string): void
  subscribe(channel: string, listener: (payload: string) => void): () => void
}

export interface TaskQueueOptions {
  readonly pool: Pool
  readonly log: Logger
  readonly metrics: Registry
  readonly bus?: WakeUpBus
  /** How long `stop` waits for handlers before it aborts them. Default 10,000. */
  readonly graceMs?: number
}

/** A statement to be run in a transaction of the caller's. */
export interface TaskStatement {
  /** Names the prepared statement; equal texts have equal names. */
  readonly name: string
  readonly text: string
  readonly values: unknown[]
}

export interface TaskQueue {
  /** Creates or migrates pg-boss's schema and the queues; any number of processes may start together. */
  start(definitions: readonly Pick<TaskDefinition<object>, 'name'>[]): Promise<void>
  /** Leaves tasks in the caller's transaction. Call `wake` after its commit. */
  enqueue<Payload extends object>(
    sql: Sql,
    task: TaskDefinition<Payload>,
    rows: readonly NewTask<Payload>[],
  ): Promise<void>
  /** What `enqueue` would run, for a connection that pipelines its statements. */
  insertStatement<Payload extends object>(
    task: TaskDefinition<Payload>,
    rows: readonly NewTask<Payload>[],
  ): Promise<TaskStatement>
  /** Runs the task's handler in this process, `concurrency` at a time. A handler that throws is tried again later. */
  handle<Payload extends object>(
    task: TaskDefinition<Payload>,
    handler: TaskHandler<Payload>,
    options: { concurrency: number },
  ): void
  /** There may be tasks now: a pump looks at once, here or, where there is none with room, in another process. */
  wake(task: Pick<TaskDefinition<object>, 'name'>): void
  /** Makes all active tasks wait again. For a start that knows to be alone; needs `start` first. */
  reclaimActive(): Promise<void>
  /** Fetches no more, lets handlers end within the grace, aborts them, gives back what is left, stops pg-boss. */
  stop(): Promise<void>
}

const wakeUpChannel = 'tasks'
const defaultGraceMs = 10_000
/** How long aborted handlers have to let go. What they hold then is given back over their heads. */
const letGoMs = 5_000
/** Wake-ups to other processes are merged over this time: under load there is one per commit. */
const wakeUpDistanceMs = 20

interface Station {
  readonly pump: Pump
  readonly running: Map<string, FetchedTask>
}

export function createTaskQueue(options: TaskQueueOptions): TaskQueue {
  const { pool, log, bus } = options
  const boss = new PgBoss({ ...bossOptions, db: plainDatabase(pool) })
  const prepared = preparedDatabase(pool)
  const meters = createTaskMeters(options.metrics)
  const stations = new Map<string, Station>()
  const closing = new AbortController()
  const aborting = new AbortController()
  const published = new Set<string>()
  const pending: (() => void)[] = []
  let queueNames: string[] = []
  let isStarted = false
  let touching: NodeJS.Timeout | undefined
  let unsubscribe = () => {}

  boss.on('error', (error) => log.warn({ err: error }, 'pg-boss reports an error'))
  boss.on('warning', (warning) => log.debug({ warning }, 'pg-boss warns'))

  async function start(definitions: readonly { name: string }[]): Promise<void> {
    await boss.start()
    queueNames = definitions.map(({ name }) => name)
    for (const name of queueNames) await ensureQueue(boss, name)
    isStarted = true
    unsubscribe = bus?.subscribe(wakeUpChannel, (name) => stations.get(name)?.pump.wake()) ?? unsubscribe
    touching = setInterval(() => void touchRunning(), touchIntervalMs)
    for (const open of pending.splice(0)) open()
  }

  async function enqueue<Payload extends object>(
    sql: Sql,
    task: TaskDefinition<Payload>,
    rows: readonly NewTask<Payload>[],
  ): Promise<void> {
    if (rows.length > 0) await boss.insert(task.name, rows.map(toInsert), { db: insideDatabase(sql) })
  }

  async function insertStatement<Payload extends object>(
    task: TaskDefinition<Payload>,
    rows: readonly NewTask<Payload>[],
  ): Promise<TaskStatement> {
    const recording = recordingDatabase()
    await boss.insert(task.name, rows.map(toInsert), { db: recording })
    const { text, values } = recording.statement()
    return { name: statementName(text), text, values }
  }

  function handle<Payload extends object>(
    task: TaskDefinition<Payload>,
    handler: TaskHandler<Payload>,
    { concurrency }: { concurrency: number },
  ): void {
    if (stations.has(task.name)) throw new Error(`${task.name} has a handler already`)
    const open = () => openStation(task, handler, concurrency)
    if (isStarted) open()
    else pending.push(open)
  }

  function openStation<Payload extends object>(
    definition: TaskDefinition<Payload>,
    handler: TaskHandler<Payload>,
    concurrency: number,
  ): void {
    const { name } = definition
    const running = new Map<string, FetchedTask>()
    const signals = { closing: closing.signal, signal: aborting.signal }
    const run = createTaskRunner({ definition, handler, actions: actionsOf(name), ...signals, log, meters })
    const pump = createPump<FetchedTask>({
      concurrency,
      fetch: (batchSize) => boss.fetch<object>(name, { batchSize, db: prepared }),
      run: async (task) => {
        running.set(task.id, task)
        await run(task)
        running.delete(task.id)
      },
      onFetchError: (error) => log.warn({ err: error, task: name }, 'fetching tasks failed'),
    })
    stations.set(name, { pump, running })
  }

  function actionsOf(name: string): TaskActions {
    return {
      async remove({ id, retryCount }, sql) {
        const db = sql === undefined ? prepared : insideDatabase(sql)
        return countOf(await boss.deleteJob(name, { id, retryCount }, { db })) === 1
      },
      giveBack: (task, delayMs) => giveBack(sqlOfPool(pool), name, task, delayMs),
    }
  }

  async function touchRunning(): Promise<void> {
    for (const [name, { running }] of stations) {
      if (running.size === 0) continue
      const claims = [...running.values()].map(({ id, retryCount }) => ({ id, retryCount }))
      await boss.touch(name, claims, { db: prepared }).catch((error: unknown) => {
        log.warn({ err: error, task: name, tasks: claims.length }, 'touching running tasks failed')
      })
    }
  }

  function wake({ name }: { name: string }): void {
    const pump = stations.get(name)?.pump
    pump?.wake()
    if (bus === undefined || pump?.hasRoom() === true || published.has(name)) return
    published.add(name)
    setTimeout(() => {
      published.delete(name)
      bus.publish(wakeUpChannel, name)
    }, wakeUpDistanceMs).unref()
  }

  async function reclaimActive(): Promise<void> {
    const count = await giveBackAll(sqlOfPool(pool), queueNames)
    if (count > 0) log.info({ tasks: count }, 'tasks of an earlier run wait again')
    for (const { pump } of stations.values()) pump.wake()
  }

  async function stop(): Promise<void> {
    unsubscribe()
    closing.abort()
    const all = [...stations.values()]
    await Promise.all(all.map(({ pump }) => pump.stop()))
    const idle = Promise.all(all.map(({ pump }) => pump.idle()))
    if (!(await endsWithin(idle, options.graceMs ?? defaultGraceMs))) aborting.abort()
    await endsWithin(idle, letGoMs)
    clearInterval(touching)
    await giveBackRest()
    if (isStarted) await boss.stop({ graceful: false, close: false })
  }

  async function giveBackRest(): Promise<void> {
    for (const [name, { running }] of stations) {
      for (const task of running.values()) await actionsOf(name).giveBack(task, 0)
      if (running.size > 0) log.warn({ task: name, tasks: running.size }, 'handlers did not let go of their tasks')
    }
  }

  return { start, enqueue, insertStatement, handle, wake, reclaimActive, stop }
}

// A queue that an earlier version made takes on this version's policy.
async function ensureQueue(boss: PgBoss, name: string): Promise<void> {
  await boss.createQueue(name, queuePolicy)
  const { policy: _policy, ...changeable } = queuePolicy
  await boss.updateQueue(name, changeable)
}

// pg-boss's types keep the count to themselves; without it a lost claim would look like a success.
function countOf(response: object): unknown {
  return 'affected' in response ? response.affected : undefined
}

// All queues are `short`: a task without a key gets one of its own, since otherwise only one such task could wait.
function toInsert<Payload extends object>({ payload, singletonKey, delaySeconds }: NewTask<Payload>) {
  const delay = delaySeconds === undefined ? {} : { startAfter: `${delaySeconds}` }
  return { data: payload, singletonKey: singletonKey ?? randomUUID(), ...delay }
}

async function endsWithin(work: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => resolve(false), timeoutMs)
  void work.then(() => resolve(true))
  const ended = await promise
  clearTimeout(timer)
  return ended
}
