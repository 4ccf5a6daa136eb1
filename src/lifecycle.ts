/**
 * What was opened, in order, so that it can be closed in the opposite order.
 * Register each resource right after it was opened: what a failed start leaves behind is then closed as well.
 */
export interface Lifecycle {
  /** @param name for the error when closing fails. */
  defer(name: string, dispose: () => void | Promise<void>): void
  /**
   * Closes the latest first, one after another; a failure does not keep the rest from closing. What is registered while
   * closing runs is closed too. Repeated calls share the first one's result.
   *
   * @throws AggregateError of all failures; each names its resource and has the failure as its cause.
   */
  close(): Promise<void>
  /**
   * For a start that failed: closes everything, then throws.
   *
   * @throws the cause itself; when closing failed too, an AggregateError with the cause in front.
   */
  abandon(cause: unknown): Promise<never>
}

interface Disposer {
  readonly name: string
  readonly dispose: () => void | Promise<void>
}

export function createLifecycle(): Lifecycle {
  const disposers: Disposer[] = []
  let closed: Promise<Error[]> | undefined
  const closeOnce = () => {
    closed ??= closeAll(disposers)
    return closed
  }
  return {
    defer(name, dispose) {
      disposers.push({ name, dispose })
    },
    async close() {
      const failures = await closeOnce()
      if (failures.length > 0) throw new AggregateError(failures, failures.map(({ message }) => message).join('; '))
    },
    async abandon(cause) {
      const failures = await closeOnce()
      if (failures.length === 0) throw cause
      throw new AggregateError([cause, ...failures], 'the start failed, and so did closing what was open')
    },
  }
}

async function closeAll(disposers: Disposer[]): Promise<Error[]> {
  const failures: Error[] = []
  for (let latest = disposers.pop(); latest !== undefined; latest = disposers.pop()) {
    try {
      await latest.dispose()
    } catch (cause) {
      failures.push(new Error(`closing ${latest.name} failed`, { cause }))
    }
  }
  return failures
}

/** What a stop may take in all, however many steps share it. */
export interface StopClock {
  /** The stop begins. Repeated calls change nothing. */
  start(): void
  /** All of it until the stop begins; never below 0. */
  readonly leftMs: number
}

export function createStopClock(limitMs: number): StopClock {
  let endsAtMs: number | null = null
  return {
    start() {
      endsAtMs ??= performance.now() + limitMs
    },
    get leftMs() {
      return endsAtMs === null ? limitMs : Math.max(0, endsAtMs - performance.now())
    },
  }
}
