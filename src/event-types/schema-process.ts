import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { CheckingMessage } from './checking-process.ts'
import { FairQueue } from './fair-queue.ts'
import type { SchemaAnswer, SchemaJob } from './schema-checker.ts'

/*
 * Schemas come from tenants and data from senders, so that a check may take for ever or all memory (a `pattern` that
 * backtracks, references that multiply, 26 MB of `{},`). A check therefore runs in a process that can be ended. Not in a
 * thread: one that runs out of memory takes its whole process along.
 *
 *   waiting ──▶ running (at most `maxRunning`, answered in order) ──▶ answered
 *      ▲            │ the first takes longer than `limitMs`: the process is ended, the first is told 'too-long'
 *      │            │ the process dies by itself: the first is tried once more, then told 'crashed'
 *      └────────────┘ the others go back, in front of those that wait, and a new process takes over
 *
 * Among those that wait owners take turns, so that nobody's events wait for all of somebody else's.
 *
 * The process is started by the first task and does not keep ours alive; a task that runs does.
 */

export type CheckOutcome =
  | { readonly kind: 'answered'; readonly problem: SchemaAnswer }
  | { readonly kind: 'too-long' }
  | { readonly kind: 'crashed' }
  /** Too many wait, it waited too long, or the process was closed or does not start: then there is an error. */
  | { readonly kind: 'not-run'; readonly error: unknown }

/** A job with who is to be told. */
export interface CheckTask {
  /** Whose schema it is. */
  readonly owner: string
  readonly job: SchemaJob
  readonly resolve: (outcome: CheckOutcome) => void
  readonly waitsSinceMs: number
  crashes: number
}

export interface SchemaProcess {
  /** Never rejects. The job's data must stay as it is until the outcome. */
  run(owner: string, job: SchemaJob): Promise<CheckOutcome>
  /** Takes back the tasks of one owner that have not begun. */
  withdraw(owner: string): CheckTask[]
  /** Lets tasks wait here that were withdrawn elsewhere. */
  adopt(tasks: readonly CheckTask[]): void
  /** Tells all that wait that they are not run, and ends the process. */
  close(): Promise<void>
}

export interface SchemaProcessOptions {
  /** How long one job may take. */
  readonly limitMs?: number
  /** What the process may keep in its heap, with the code of compiled schemas; with more it dies. */
  readonly maxHeapMb?: number
  /** Told how long the process was busy with each job that it answered, or that ended it. */
  readonly onTook?: (owner: string, tookMs: number) => void
}

const defaultLimitMs = 1_000
/** Loading takes some 100 ms where the machine has nothing else to do. */
const startLimitMs = 20_000
/** Enough to keep the process busy while answers travel; each is copied to it. */
const maxRunning = 16
/** No further job is sent while those that run hold more data. */
const maxRunningBytes = 4 * 1024 * 1024
/** Of all owners; with more each may still have an even share of it. */
const maxWaiting = 10_000
/** A sender gives up soon after. */
const maxWaitMs = 10_000
const defaultMaxHeapMb = 256

export function createSchemaProcess(options: SchemaProcessOptions = {}): SchemaProcess {
  return new WatchedProcess(options)
}

class WatchedProcess implements SchemaProcess {
  readonly #limitMs: number
  readonly #maxHeapMb: number
  readonly #onTook: (owner: string, tookMs: number) => void
  #child: ChildProcess | null = null
  #isReady = false
  #isClosed = false
  #running: CheckTask[] = []
  readonly #waiting = new FairQueue<CheckTask>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: SchemaProcessOptions) {
    const { limitMs = defaultLimitMs, maxHeapMb = defaultMaxHeapMb, onTook = () => undefined } = options
    this.#limitMs = limitMs
    this.#maxHeapMb = maxHeapMb
    this.#onTook = onTook
  }

  async run(owner: string, job: SchemaJob): Promise<CheckOutcome> {
    return await new Promise((resolve) => {
      this.adopt([{ owner, job, resolve, waitsSinceMs: performance.now(), crashes: 0 }])
    })
  }

  withdraw(owner: string): CheckTask[] {
    return this.#waiting.takeAllOf(owner)
  }

  adopt(tasks: readonly CheckTask[]): void {
    for (const task of tasks) {
      if (this.#isClosed || this.#isFullFor(task.owner)) task.resolve({ kind: 'not-run', error: null })
      else this.#waiting.add(task)
    }
    this.#proceed()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#abandonAll(null)
    await end(this.#drop())
  }

  #isFullFor(owner: string): boolean {
    const { size, owners } = this.#waiting
    return size >= maxWaiting && this.#waiting.sizeOf(owner) >= maxWaiting / (owners + 1)
  }

  #proceed(): void {
    if (this.#waiting.size === 0 || this.#isClosed) return
    if (this.#child === null) this.#start()
    if (!this.#isReady) return
    while (this.#running.length < maxRunning && bytesOf(this.#running) <= maxRunningBytes) {
      const task = this.#waiting.take()
      if (task === undefined) break
      if (performance.now() - task.waitsSinceMs > maxWaitMs) task.resolve({ kind: 'not-run', error: null })
      else this.#send(task)
    }
  }

  #send(task: CheckTask): void {
    this.#running.push(task)
    // A copy travels; ours is needed again should the process be ended. Its end is also what tells of a broken channel.
    this.#child?.send(task.job, () => undefined)
    if (this.#running.length === 1) this.#watchFirst()
  }

  // Answers that wait to be read come before the verdict: this process may be what was slow.
  #watchFirst(): void {
    clearTimeout(this.#timer)
    const [first] = this.#running
    if (first === undefined) return
    const endIfStillFirst = () => {
      if (this.#running[0] === first) this.#replace({ kind: 'too-long' })
    }
    this.#timer = setTimeout(() => setImmediate(endIfStillFirst), this.#limitMs)
  }

  #start(): void {
    const child = forkChecker(this.#maxHeapMb)
    this.#child = child
    let failure: unknown = new Error('the process that checks schemas ended, or did not start in time')
    child.on('message', (message: CheckingMessage) => {
      if (this.#child === child) this.#hear(message)
    })
    const lose = () => {
      if (this.#child === child) this.#survive(failure)
    }
    child.on('exit', lose)
    // It may not even begin, and then there is no exit.
    child.on('error', (error) => {
      failure = error
      if (child.pid === undefined) lose()
    })
    child.unref()
    child.channel?.unref()
    this.#timer = setTimeout(() => void child.kill('SIGKILL'), startLimitMs)
  }

  #hear(message: CheckingMessage): void {
    clearTimeout(this.#timer)
    if (message.kind === 'ready') this.#isReady = true
    else {
      const task = this.#running.shift()
      this.#watchFirst()
      task?.resolve({ kind: 'answered', problem: message.problem })
      if (task !== undefined) this.#onTook(task.owner, message.tookMs)
    }
    this.#proceed()
  }

  // The process died by itself. A crash may be the sum of what was checked before, so the first gets a second chance.
  #survive(failure: unknown): void {
    const [first] = this.#running
    if (!this.#isReady) {
      this.#drop()
      this.#abandonAll(failure)
    } else if (first === undefined || first.crashes === 0) {
      if (first !== undefined) first.crashes += 1
      this.#replace(null)
    } else this.#replace({ kind: 'crashed' })
  }

  /** @param outcome of the first of those that run; null: it goes back like the others. */
  #replace(outcome: CheckOutcome | null): void {
    void end(this.#drop())
    const guilty = outcome === null ? undefined : this.#running.shift()
    this.#waiting.giveBack(this.#running)
    this.#running = []
    if (guilty !== undefined && outcome !== null) {
      guilty.resolve(outcome)
      this.#onTook(guilty.owner, this.#limitMs)
    }
    this.#proceed()
  }

  #drop(): ChildProcess | null {
    const child = this.#child
    clearTimeout(this.#timer)
    this.#child = null
    this.#isReady = false
    return child
  }

  #abandonAll(error: unknown): void {
    const abandoned = [...this.#running, ...this.#waiting.takeAll()]
    this.#running = []
    for (const task of abandoned) task.resolve({ kind: 'not-run', error })
  }
}

function bytesOf(tasks: readonly CheckTask[]): number {
  return tasks.reduce((sum, { job }) => sum + (job.kind === 'check' ? job.data.length : 0), 0)
}

// In a session of its own: an interrupt at the terminal is for us alone. It needs nothing of the environment, where secrets
// are, so it gets nothing of it.
function forkChecker(maxHeapMb: number): ChildProcess {
  const file = import.meta.url.endsWith('.ts') ? './checking-process.ts' : './checking-process.js'
  return fork(fileURLToPath(new URL(file, import.meta.url)), [`${process.pid}`], {
    execArgv: [`--max-old-space-size=${maxHeapMb}`],
    env: {},
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    detached: true,
  })
}

/** @returns when it has ended. */
async function end(child: ChildProcess | null): Promise<void> {
  if (child === null || child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.ref()
  child.kill('SIGKILL')
  await exited
}
