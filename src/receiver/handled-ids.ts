type Awaitable<Value> = Value | Promise<Value>

/**
 * Which events were handled: deliveries come at least once, so that one may come again.
 *
 * ```text
 *            claim          keep
 *   (new) ─────────▶ running ─────▶ handled ── age, count ──▶ (new)
 *     ▲                 │
 *     └──── release ────┘
 * ```
 *
 * To write one for several processes, make `claim` one atomic step, such as `SET key running NX PX 60000` in Redis: the
 * time limit frees the ids of a process that died.
 */
export interface HandledIds {
  /**
   * Takes an id, so that nobody else handles the same event.
   *
   * @returns `new` when the caller now holds it; `running` when somebody else does; `handled` when it is done.
   */
  claim(id: string): Awaitable<'new' | 'running' | 'handled'>
  /** It was handled: claims of it are answered `handled` from now on, for some days at best. */
  keep(id: string): Awaitable<void>
  /** It was not handled: the next claim of it is answered `new`. */
  release(id: string): Awaitable<void>
}

export interface HandledIdsOptions {
  /** How many are remembered; the oldest go first. About 150 bytes each. Default 100,000. */
  readonly maxCount?: number
  /** For how long, in milliseconds. Default 4 days: Hookline's standard retries end after 75 hours. */
  readonly maxAgeMs?: number
  /** The clock, in milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number
}

const dayMs = 86_400_000

/** Remembers in this process's memory: what was handled before a restart is not known after it. */
export function createHandledIds(options: HandledIdsOptions = {}): HandledIds {
  const { maxCount = 100_000, maxAgeMs = 4 * dayMs, now = Date.now } = options
  const running = new Set<string>()
  /** When each is forgotten; in that order, since a Map keeps the order of its making. */
  const handled = new Map<string, number>()
  const forget = () => {
    for (const [id, expiresAtMs] of handled) {
      if (handled.size <= maxCount && expiresAtMs > now()) return
      handled.delete(id)
    }
  }
  return {
    claim(id) {
      forget()
      if (handled.has(id)) return 'handled'
      if (running.has(id)) return 'running'
      running.add(id)
      return 'new'
    },
    keep(id) {
      running.delete(id)
      handled.delete(id)
      handled.set(id, now() + maxAgeMs)
      forget()
    },
    release(id) {
      running.delete(id)
    },
  }
}
