import type { Authenticator } from '../auth/authenticator.ts'
import { keepsRights, type Viewer } from '../auth/viewer.ts'
import type { Logger } from '../kernel/log.ts'
import type { Epochs } from '../live/epoch.ts'

/** Half the time within which a key's end is to be felt; the rest is for looking and closing. */
const sweepMs = 500

/** `ended`: revoked or expired; `narrowed`: it holds, but has no longer all rights that it had. */
export type KeyLoss = 'ended' | 'narrowed'

/** Ends what outlives a request, sockets and event streams, when its key does or loses rights. */
export interface KeyWatch {
  /**
   * Calls `end` once, when the key ends or loses rights.
   *
   * @returns stops watching.
   */
  watch(viewer: Viewer, end: (loss: KeyLoss) => void): () => void
  close(): void
}

interface Watched {
  readonly viewer: Viewer
  readonly end: (loss: KeyLoss) => void
  /** When the key ends by itself, as far as is known; null when it does not. */
  expiresAt: Date | null
  mustCheck: boolean
}

/**
 * Keys are looked at again after each change of configuration, and at their end. While the database is away they count
 * as they did, and are looked at again with the next sweep.
 */
export function createKeyWatch(deps: {
  readonly authenticator: Pick<Authenticator, 'viewerOf'>
  readonly epochs: Pick<Epochs, 'onChange'>
  readonly log: Logger
}): KeyWatch {
  const watched = new Set<Watched>()

  async function check(entry: Watched): Promise<void> {
    entry.mustCheck = false
    try {
      const now = await deps.authenticator.viewerOf(entry.viewer.keyId)
      if (now !== null && keepsRights(entry.viewer, now)) entry.expiresAt = now.expiresAt
      else if (watched.delete(entry)) entry.end(now === null ? 'ended' : 'narrowed')
    } catch (error) {
      entry.mustCheck = true
      deps.log.warn({ err: error, keyId: entry.viewer.keyId }, 'whether a key still holds cannot be told')
    }
  }

  function sweep(): void {
    for (const entry of watched) {
      const endsAtMs = entry.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY
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
      const entry = { viewer, end, expiresAt: viewer.expiresAt, mustCheck: true }
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
