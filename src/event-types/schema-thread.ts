import { Worker } from 'node:worker_threads'
import type { SchemaAnswer, SchemaJob } from './schema-checker.ts'

/*
 * Schemas come from tenants and data from senders, so that a check may take for ever or all memory (a `pattern` that
 * backtracks, references that multiply). A check therefore runs in a thread that can be ended.
 *
 *   waiting ──▶ running (at most `maxRunning`, answered in order) ──▶ answered
 *      ▲            │ the first takes longer than `limitMs`: the thread is ended, the first is told 'too-long'
 *      │            │ the thread dies by itself: the first is tried once more, then told 'crashed'
 *      └────────────┘ the others go back, in front of those that wait, and a new thread takes over
 *
 * The thread is started by the first task and does not keep the process alive; a task that runs does.
 */

export type ThreadOutcome =
  | { readonly kind: 'answered'; readonly problem: SchemaAnswer }
  | { readonly kind: 'too-long' }
  | { readonly kind: 'crashed' }
  /** Too many wait, it waited too long, or the thread was closed or does not start: then there is an error. */
  | { readonly kind: 'not-run'; readonly error: unknown }

/** A job with who is to be told. */
export interface ThreadTask {
  /** Whose schema it is. */
  readonly owner: string
  readonly job: SchemaJob
  readonly resolve: (outcome: ThreadOutcome) => void
  readonly waitsSinceMs: number
  crashes: number
}

export interface SchemaThread {
  /** Never rejects. The job's data must stay as it is until the outcome. */
  run(owner: string, job: SchemaJob): Promise<ThreadOutcome>
  /** Takes back the tasks of one owner that have not begun. */
  withdraw(owner: string): ThreadTask[]
  /** Lets tasks wait here that were withdrawn elsewhere. */
  adopt(tasks: readonly ThreadTask[]): void
  /** Tells all that wait that they are not run, and ends the thread. */
  close(): Promise<void>
}

export interface SchemaThreadOptions {
  /** How long one job may take. */
  readonly limitMs?: number
  /** What the thread may keep in memory, with the code of compiled schemas; with more it dies. */
  readonly maxHeapMb?: number
  /** Called with the owner of each job that took `slowMs` or longer. */
  readonly onSlow?: (owner: string) => void
}

const defaultLimitMs = 1_000
/** Most checks take some microseconds. */
const slowMs = 250
/** Loading takes some 100 ms where the machine has nothing else to do. */
const startLimitMs = 20_000
/** Enough to keep the thread busy while answers travel; each is copied to it. */
const maxRunning = 16
const maxWaiting = 10_000
/** A sender gives up soon after. */
const maxWaitMs = 10_000
const defaultMaxHeapMb = 256

export function createSchemaThread(options: SchemaThreadOptions = {}): SchemaThread {
  return new WatchedThread(options)
}

class WatchedThread implements SchemaThread {
  readonly #limitMs: number
  readonly #maxHeapMb: number
  readonly #onSlow: (owner: string) => void
  #worker: Worker | null = null
  #isReady = false
  #isClosed = false
  #running: ThreadTask[] = []
  #waiting: ThreadTask[] = []
  #timer: NodeJS.Timeout | undefined
  #firstBeganMs = 0

  constructor(options: SchemaThreadOptions) {
    const { limitMs = defaultLimitMs, maxHeapMb = defaultMaxHeapMb, onSlow = () => undefined } = options
    this.#limitMs = limitMs
    this.#maxHeapMb = maxHeapMb
    this.#onSlow = onSlow
  }

  async run(owner: string, job: SchemaJob): Promise<ThreadOutcome> {
    return await new Promise((resolve) => {
      this.adopt([{ owner, job, resolve, waitsSinceMs: performance.now(), crashes: 0 }])
    })
  }

  withdraw(owner: string): ThreadTask[] {
    const { yes = [], no = [] } = Object.groupBy(this.#waiting, (task) => (task.owner === owner ? 'yes' : 'no'))
    this.#waiting = no
    return yes
  }

  adopt(tasks: readonly ThreadTask[]): void {
    for (const task of tasks) {
      if (this.#isClosed || this.#waiting.length >= maxWaiting) task.resolve({ kind: 'not-run', error: null })
      else this.#waiting.push(task)
    }
    this.#proceed()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#abandonAll(null)
    await this.#drop()?.terminate()
  }

  #proceed(): void {
    if (this.#waiting.length === 0 || this.#isClosed) return
    if (this.#worker === null) this.#start()
    if (!this.#isReady) return
    while (this.#running.length < maxRunning) {
      const task = this.#waiting.shift()
      if (task === undefined) break
      if (performance.now() - task.waitsSinceMs > maxWaitMs) task.resolve({ kind: 'not-run', error: null })
      else this.#send(task)
    }
  }

  #send(task: ThreadTask): void {
    this.#running.push(task)
    const { job } = task
    if (job.kind === 'compile') this.#worker?.postMessage(job)
    else {
      // A copy: the data may be part of a larger buffer, and is needed again should the thread be ended.
      const data = new Uint8Array(job.data)
      this.#worker?.postMessage({ ...job, data }, [data.buffer])
    }
    if (this.#running.length === 1) this.#watchFirst()
  }

  // Answers that wait to be read come before the verdict: this process may be what was slow.
  #watchFirst(): void {
    clearTimeout(this.#timer)
    this.#firstBeganMs = performance.now()
    const [first] = this.#running
    if (first === undefined) return
    const endIfStillFirst = () => {
      if (this.#running[0] === first) this.#replace({ kind: 'too-long' })
    }
    this.#timer = setTimeout(() => setImmediate(endIfStillFirst), this.#limitMs)
  }

  #start(): void {
    // Beside this file, in whichever form that runs. It needs nothing of the environment, so it gets nothing of it.
    const file = new URL(import.meta.url.endsWith('.ts') ? './schema-worker.ts' : './schema-worker.js', import.meta.url)
    const resourceLimits = { maxOldGenerationSizeMb: this.#maxHeapMb }
    const worker = new Worker(file, { resourceLimits, env: {}, execArgv: [] })
    this.#worker = worker
    let failure: unknown = new Error('the thread that checks schemas ended, or did not start in time')
    worker.unref()
    worker.on('message', (answer: SchemaAnswer) => {
      if (this.#worker === worker) this.#hear(answer)
    })
    worker.on('error', (error) => {
      failure = error
    })
    worker.on('exit', () => {
      if (this.#worker === worker) this.#survive(failure)
    })
    this.#timer = setTimeout(() => void worker.terminate(), startLimitMs)
  }

  #hear(answer: SchemaAnswer): void {
    if (this.#isReady) this.#settleFirst({ kind: 'answered', problem: answer })
    else {
      clearTimeout(this.#timer)
      this.#isReady = true
    }
    this.#proceed()
  }

  #settleFirst(outcome: ThreadOutcome): void {
    const task = this.#running.shift()
    const tookMs = performance.now() - this.#firstBeganMs
    this.#watchFirst()
    if (task === undefined) return
    task.resolve(outcome)
    if (tookMs >= slowMs) this.#onSlow(task.owner)
  }

  // The thread died by itself. A crash may be the sum of what was checked before, so the first gets a second chance.
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
  #replace(outcome: ThreadOutcome | null): void {
    void this.#drop()?.terminate()
    const guilty = outcome === null ? undefined : this.#running.shift()
    this.#waiting = [...this.#running, ...this.#waiting]
    this.#running = []
    if (guilty !== undefined && outcome !== null) {
      guilty.resolve(outcome)
      this.#onSlow(guilty.owner)
    }
    this.#proceed()
  }

  #drop(): Worker | null {
    const worker = this.#worker
    clearTimeout(this.#timer)
    this.#worker = null
    this.#isReady = false
    return worker
  }

  #abandonAll(error: unknown): void {
    const abandoned = [...this.#running, ...this.#waiting]
    this.#running = []
    this.#waiting = []
    for (const task of abandoned) task.resolve({ kind: 'not-run', error })
  }
}
