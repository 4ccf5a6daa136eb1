/**
 * One run per key in this process. A task for a key that is at work here already needs no run of its own, as long as
 * the one at work will look again: it is given notice, and the newer task ends. Once the one at work has begun its last
 * look, its turn is **closed**: then the newer task waits for its end and goes on itself.
 *
 *   open ──close()──▶ closed ──end()──▶ gone
 *     ▲───reopen()──────┘
 */
export interface Turns<Key> {
  /** @returns null when another run has been given notice and will look again. */
  enter(key: Key): Promise<Turn | null>
  /** Tells the run at work on this key, if there is one here, to look again. */
  notify(key: Key): void
}

export interface Turn {
  /** As `notify` of all turns does. */
  notify(): void
  /** Whether notice was given since the last call. */
  takeNotice(): boolean
  /** Resolves at the next notice (one not yet taken counts), at the latest after this time. One caller at a time. */
  nextNotice(timeoutMs: number): Promise<'notice' | 'time-out'>
  close(): void
  reopen(): void
  end(): void
  isOpen(): boolean
}

export function createTurns<Key>(): Turns<Key> {
  const turns = new Map<Key, OwnTurn>()
  return {
    async enter(key) {
      for (;;) {
        const current = turns.get(key)
        if (current === undefined) {
          const turn = createTurn(() => turns.delete(key))
          turns.set(key, turn)
          return turn
        }
        if (current.isOpen()) {
          current.notify()
          return null
        }
        await current.ended
      }
    },
    notify: (key) => turns.get(key)?.notify(),
  }
}

interface OwnTurn extends Turn {
  readonly ended: Promise<void>
}

function createTurn(onEnd: () => void): OwnTurn {
  const { promise: ended, resolve: resolveEnded } = Promise.withResolvers<void>()
  let isOpen = true
  let isNoticed = false
  let wake = () => {}
  return {
    ended,
    isOpen: () => isOpen,
    notify() {
      isNoticed = true
      wake()
    },
    takeNotice() {
      const was = isNoticed
      isNoticed = false
      return was
    },
    async nextNotice(timeoutMs) {
      // Whoever gave up waiting left a timer behind.
      wake()
      if (isNoticed) return 'notice'
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, timeoutMs)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
      await promise
      return isNoticed ? 'notice' : 'time-out'
    },
    close() {
      isOpen = false
    },
    reopen() {
      isOpen = true
    },
    end() {
      wake()
      onEnd()
      resolveEnded()
    },
  }
}
