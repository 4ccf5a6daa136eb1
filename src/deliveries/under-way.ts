import type { DeliveryId } from '../kernel/ids.ts'

/**
 * The deliveries of one endpoint that are being sent or settled. A place is free again when the answer has come; that it
 * is not settled yet delays only the end, and a bound on what may wait for the database.
 */
export interface UnderWay {
  ids(): DeliveryId[]
  isEmpty(): boolean
  /** Resolves when one more may be sent, or something has failed; with false when that is not so within this time. */
  room(timeoutMs: number): Promise<boolean>
  /** The receiver answers: it may get more at a time. */
  widen(): void
  /** How many it may get at a time at most; null: as many as usual. */
  bound(most: number | null): void
  /**
   * Runs `settle` with what `sending` gave. A failure of either is kept for `throwIfFailed`.
   *
   * @returns when it is under way no more. Never rejects.
   */
  add<Result>(id: DeliveryId, sending: Promise<Result>, settle: (result: Result) => Promise<void>): Promise<void>
  /** Resolves when nothing is under way. Never rejects. */
  allEnded(): Promise<void>
  throwIfFailed(): void
}

/**
 * Requests at a time to one endpoint: few at first, one more with each answer. So a receiver that hangs holds few
 * sockets and bodies, however many of its kind there are.
 */
const firstSending = 4
/** As far as that goes where the endpoint does not say how many it takes. */
const usualSending = 16
/** Outcomes that wait for the database. */
const maxUnsettled = 128

export function createUnderWay(): UnderWay {
  const pending = new Map<DeliveryId, Promise<void>>()
  let width = firstSending
  let most = usualSending
  let sending = 0
  let failure: { readonly error: unknown } | null = null
  let onChange = () => {}
  const hasRoom = () => (sending < Math.min(width, most) && pending.size - sending < maxUnsettled) || failure !== null

  return {
    ids: () => [...pending.keys()],
    isEmpty: () => pending.size === 0,
    async room(timeoutMs) {
      if (hasRoom() || timeoutMs <= 0) return hasRoom()
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, timeoutMs)
      onChange = () => {
        if (hasRoom()) resolve()
      }
      await promise
      clearTimeout(timer)
      return hasRoom()
    },
    widen() {
      width = Math.min(width + 1, most)
      onChange()
    },
    bound(bound) {
      most = bound ?? usualSending
    },
    add(id, request, settle) {
      sending += 1
      const answered = request.finally(() => {
        sending -= 1
        onChange()
      })
      const ended = answered
        .then(settle)
        .catch((error: unknown) => {
          failure ??= { error }
        })
        .finally(() => {
          pending.delete(id)
          onChange()
        })
      pending.set(id, ended)
      return ended
    },
    async allEnded() {
      while (pending.size > 0) await Promise.all(pending.values())
    },
    throwIfFailed() {
      if (failure !== null) throw failure.error
    },
  }
}
