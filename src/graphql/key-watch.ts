import type { Authenticator } from '../auth/authenticator.ts'
import type { Viewer } from '../auth/viewer.ts'
import type { Logger } from '../kernel/log.ts'
import type { Epochs } from '../live/epoch.ts'

const sweepMs = 1_000

/** Ends what outlives a request, sockets and event streams, when its key does. */
export interface KeyWatch {
  /**
   * Calls `end` once, when the key is revoked or expires.
   *
   * @returns stops watching.
   */
  watch(viewer: Viewer, end: () => void): () => void
  close(): void
}

interface Watched {
  readonly viewer: Viewer
  readonly end: () => void
  mustCheck: boolean
}

/**
 * Keys are looked at again after each change of configuration, and at their end. While the database is away they count
 * as they did, and are looked at again with the next sweep.
 */
export function createKeyWatch(deps: {
  readonly authenticator: Pick<Authenticator, 'stillHolds'>
  readonly epochs: Pick<Epochs, 'onChange'>
  readonly log: Logger
}): KeyWatch {
  const watched = new Set<Watched>()

  async function check(entry: Watched): Promise<void> {
    entry.mustCheck = false
    try {
      if (await deps.authenticator.stillHolds(entry.viewer)) return
      if (watched.delete(entry)) entry.end()
    } catch (error) {
      entry.mustCheck = true
      deps.log.warn({ err: error, keyId: entry.viewer.keyId }, 'whether a key still holds cannot be told')
    }
  }

  function sweep(): void {
    for (const entry of watched) {
      const endsAtMs = entry.viewer.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY
      if (entry.mustCheck || endsAtMs <= Date.now()) void check(entry)
    }
  }

  const timer = setInterval(sweep, sweepMs)
  timer.unref()
  const stopListening = deps.epochs.onChange(() => {
    for (const entry of watched) entry.mustCheck = true
    sweep()
  })
  return {
    watch(viewer, end) {
      // It may have ended since it was authenticated, before this was listening for it.
      const entry = { viewer, end, mustCheck: true }
      watched.add(entry)
      return () => watched.delete(entry)
    },
    close() {
      clearInterval(timer)
      stopListening()
      watched.clear()
    },
  }
}
