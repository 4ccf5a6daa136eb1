import { constants } from 'node:os'

export type StopSignal = 'SIGTERM' | 'SIGINT'

export interface StopSignals {
  /** The first signal to stop. */
  readonly first: Promise<StopSignal>
  readonly hasCome: boolean
}

/**
 * From now on SIGTERM and Ctrl-C do not end the process: the first one is told, and whoever listens stops in order. The
 * second one ends the process at once, with the exit code that shells know for it (143, 130).
 */
export function listenForStop(): StopSignals {
  const { promise: first, resolve } = Promise.withResolvers<StopSignal>()
  let hasCome = false
  const onSignal = (signal: StopSignal) => {
    if (hasCome) process.exit(128 + constants.signals[signal])
    hasCome = true
    resolve(signal)
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  return {
    first,
    get hasCome() {
      return hasCome
    },
  }
}
