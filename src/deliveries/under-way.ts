import type { DeliveryId } from '../kernel/ids.ts'

/**
 * The deliveries of one endpoint that are being sent or settled. A place is free again when the answer has come; that it
 * is not settled yet delays only the end, and a bound on what may wait for the database.
 */
export interface UnderWay {
  ids(): DeliveryId[]
  isEmpty(): boolean
  /** Resolves when one more may be sent. */
  room(): Promise<void>
  /** Runs `settle` with what `sending` gave. A failure of either is kept for `throwIfFailed`. */
  add<Result>(id: DeliveryId, sending: Promise<Result>, settle: (result: Result) => Promise<void>): void
  /** Resolves when nothing is under way. Never rejects. */
  allEnded(): Promise<void>
  throwIfFailed(): void
}

/** Requests at a time to one endpoint. */
const maxSending = 16
/** Outcomes that wait for the database. */
const maxUnsettled = 128

export function createUnderWay(): UnderWay {
  const pending = new Map<DeliveryId, Promise<void>>()
  let sending = 0
  let failure: { readonly error: unknown } | null = null
  let onChange = () => {}
  const hasRoom = () => sending < maxSending && pending.size < maxUnsettled

  return {
    ids: () => [...pending.keys()],
    isEmpty: () => pending.size === 0,
    async room() {
      while (!hasRoom() && failure === null) {
        const { promise, resolve } = Promise.withResolvers<void>()
        onChange = resolve
        await promise
      }
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
    },
    async allEnded() {
      while (pending.size > 0) await Promise.all(pending.values())
    },
    throwIfFailed() {
      if (failure !== null) throw failure.error
    },
  }
}
