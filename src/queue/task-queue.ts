import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import { PgBoss } from 'pg-boss'
import type { Registry } from 'prom-client'
import { type Sql, sqlOfPool } from '../db/sql.ts'
import type { Logger } from '../kernel/log.ts'
import { insideDatabase, plainDatabase, recordingDatabase, statementName } from './boss-database.ts'
import type { NewTask, TaskDefinition, TaskHandler } from './define-task.ts'
import { bossOptions, queuePolicy } from './queue-policy.ts'
import { createStations } from './stations.ts'
import { giveBackAll } from './task-rows.ts'
import { createTaskMeters } from './task-runner.ts'

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

const defaultGraceMs = 10_000

export function createTaskQueue(options: TaskQueueOptions): TaskQueue {
  const { pool, log } = options
  const boss = new PgBoss({ ...bossOptions, db: plainDatabase(pool) })
  const stations = createStations({ boss, pool, log, meters: createTaskMeters(options.metrics) })
  const wakeUps = createWakeUps(options.bus)
  const handled = new Set<string>()
  const pending: (() => void)[] = []
  let queueNames: string[] = []
  let isStarted = false

  boss.on('error', (error) => log.warn({ err: error }, 'pg-boss reports an error'))
  boss.on('warning', (warning) => log.debug({ warning }, 'pg-boss warns'))

  return {
    async start(definitions) {
      await boss.start()
      queueNames = definitions.map(({ name }) => name)
      for (const name of queueNames) await ensureQueue(boss, name)
      isStarted = true
      wakeUps.listen(stations.wake)
      for (const open of pending.splice(0)) open()
    },
    async enqueue(sql, task, rows) {
      if (rows.length > 0) await boss.insert(task.name, rows.map(toInsert), { db: insideDatabase(sql) })
    },
    async insertStatement(task, rows) {
      const recording = recordingDatabase()
      await boss.insert(task.name, rows.map(toInsert), { db: recording })
      const { text, values } = recording.statement()
      return { name: statementName(text), text, values }
    },
    handle(task, handler, { concurrency }) {
      if (handled.has(task.name)) throw new Error(`${task.name} has a handler already`)
      handled.add(task.name)
      const open = () => stations.open(task, handler, concurrency)
      if (isStarted) open()
      else pending.push(open)
    },
    wake({ name }) {
      if (!stations.wake(name)) wakeUps.tellOthers(name)
    },
    async reclaimActive() {
      const count = await giveBackAll(sqlOfPool(pool), queueNames)
      if (count > 0) log.info({ tasks: count }, 'tasks of an earlier run wait again')
      for (const name of queueNames) stations.wake(name)
    },
    async stop() {
      wakeUps.stop()
      await stations.close(options.graceMs ?? defaultGraceMs)
      if (isStarted) await boss.stop({ graceful: false, close: false })
    },
  }
}

// A queue that an earlier version made takes on this version's policy.
async function ensureQueue(boss: PgBoss, name: string): Promise<void> {
  await boss.createQueue(name, queuePolicy)
  const { policy: _policy, ...changeable } = queuePolicy
  await boss.updateQueue(name, changeable)
}

// All queues are `short`: a task without a key gets one of its own, since otherwise only one such task could wait.
function toInsert<Payload extends object>({ payload, singletonKey, delaySeconds }: NewTask<Payload>) {
  const delay = delaySeconds === undefined ? {} : { startAfter: `${delaySeconds}` }
  return { data: payload, singletonKey: singletonKey ?? randomUUID(), ...delay }
}

const wakeUpChannel = 'tasks'
/** Wake-ups to other processes are merged over this time: under load there is one per commit. */
const wakeUpDistanceMs = 20

function createWakeUps(bus: WakeUpBus | undefined) {
  const published = new Set<string>()
  let stop = () => {}
  return {
    listen(wake: (name: string) => void): void {
      stop = bus?.subscribe(wakeUpChannel, wake) ?? stop
    },
    tellOthers(name: string): void {
      if (bus === undefined || published.has(name)) return
      published.add(name)
      setTimeout(() => {
        published.delete(name)
        bus.publish(wakeUpChannel, name)
      }, wakeUpDistanceMs).unref()
    },
    stop: () => stop(),
  }
}
