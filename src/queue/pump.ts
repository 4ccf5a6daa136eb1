import { setTimeout as sleep } from 'node:timers/promises'

/*
 * Takes tasks up and runs them, many at a time:
 *
 *   room? ──▶ fetch a batch ──▶ start each ──▶ full batch: look again at once
 *     ▲                                  └──▶ else: wait for a wake-up, or for the poll that covers a lost one
 *     └── a run that ends makes room
 *
 * Each run ends by itself, so a slow one never holds up the rest of its batch. While something runs, a wake-up is
 * followed with a small delay: what comes in meanwhile collapses into the one waiting task per key, which costs least.
 */
export interface Pump {
  /** There may be something to fetch. */
  wake(): void
  /** Whether a wake-up here is enough: this pump will look, and has room. */
  hasRoom(): boolean
  /** Fetches no more; resolves when a fetch under way has ended. Runs go on. */
  stop(): Promise<void>
  /** Resolves when nothing runs. */
  idle(): Promise<void>
}

export interface PumpOptions<Task> {
  /** Runs at a time. */
  readonly concurrency: number
  readonly fetch: (batchSize: number) => Promise<readonly Task[]>
  /** Must not throw. */
  readonly run: (task: Task) => Promise<void>
  readonly onFetchError: (error: unknown) => void
}

/** The limit is part of the statement's text, so that few sizes mean few prepared statements. */
const batchSizes = [64, 16, 4, 1] as const
const pollMs = 500
/** Under load about a dozen recordings are fanned out together; a delivery waits this long at most for it. */
const fetchDistanceMs = 25

export function createPump<Task>(options: PumpOptions<Task>): Pump {
  const running = new Set<Promise<void>>()
  let isStopped = false
  let isWoken = false
  let notify = () => {}
  const room = () => options.concurrency - running.size

  function start(task: Task): void {
    const run = options.run(task).finally(() => {
      running.delete(run)
      notify()
    })
    running.add(run)
  }

  async function nextWake(timeoutMs: number): Promise<void> {
    if (isWoken || isStopped) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, timeoutMs)
    notify = () => {
      if (isWoken || isStopped) resolve()
    }
    await promise
    clearTimeout(timer)
  }

  async function nextRoom(): Promise<void> {
    while (room() === 0 && !isStopped) {
      const { promise, resolve } = Promise.withResolvers<void>()
      notify = resolve
      await promise
    }
  }

  /** @returns whether there may be more. */
  async function fetchOnce(): Promise<boolean> {
    const batchSize = batchSizes.find((size) => size <= room()) ?? 1
    isWoken = false
    try {
      const tasks = await options.fetch(batchSize)
      for (const task of tasks) start(task)
      return tasks.length === batchSize
    } catch (error) {
      options.onFetchError(error)
      await sleep(pollMs)
      return false
    }
  }

  async function loop(): Promise<void> {
    while (!isStopped) {
      await nextRoom()
      if (isStopped) return
      if (await fetchOnce()) continue
      await nextWake(pollMs)
      if (running.size > 0 && !isStopped) await sleep(fetchDistanceMs)
    }
  }

  const looping = loop()
  return {
    wake() {
      isWoken = true
      notify()
    },
    hasRoom: () => !isStopped && room() > 0,
    async stop() {
      isStopped = true
      notify()
      await looping
    },
    async idle() {
      while (running.size > 0) await Promise.all(running)
    },
  }
}
