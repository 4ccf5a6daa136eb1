/**
 * The live bus carries wake-ups between the parts of a process, and between processes: content-free notices that there is
 * something to read. What they announce stands in PostgreSQL, so that losing one loses nothing: whoever listens also polls,
 * slowly while the bus is healthy and faster while it is not.
 *
 * Two drivers: memory (one process) and Redis (many). Both pass the same tests.
 */
export interface Bus {
  /**
   * Announces something after its commit. Never throws and never waits; the wake-up may be lost. What is published on a
   * channel within one tick is merged: equal payloads are sent once, and of payloads that are numbers the greatest
   * stands for all ('it now reaches 57').
   *
   * @param payload a hint of what to look at; empty means: look.
   */
  publish(channel: string, payload?: string): void
  /**
   * Calls `listener` for what is published on the channel, by this process too, always in a later tick. An empty payload
   * may come at any time: the driver sends one when something could have been missed before the subscription took effect.
   * What a listener throws is logged and harms nobody else.
   *
   * @returns ends the subscription; the listener is not called afterwards.
   */
  subscribe(channel: string, listener: (payload: string) => void): () => void
  /** Whether what is published now arrives. False means: poll as often as without a bus. */
  isHealthy(): boolean
  /** Calls `listener` whenever the bus becomes healthy: wake-ups were lost before, so read everything again. */
  onRecovered(listener: () => void): () => void
  /** Sends what waits, then lets go of connections and listeners. Publishing afterwards does nothing. */
  close(): Promise<void>
}

/** Payload: the source's last sequence. */
export function sourceChannel(sourceId: string): string {
  return `source:${sourceId}`
}

/** Payload: ids of deliveries that were created or changed, separated by commas, 100 at most. */
export function deliveriesChannel(projectId: string): string {
  return `deliveries:${projectId}`
}

/** Payload: the id of an operation that moved on; with ` ended` behind it when that was its end. */
export function operationsChannel(projectId: string): string {
  return `operations:${projectId}`
}

/** No payload: the source has turned requests away. */
export function refusalsChannel(sourceId: string): string {
  return `refusals:${sourceId}`
}

/** No payload: something was counted in the project. */
export function statsChannel(projectId: string): string {
  return `stats:${projectId}`
}

/** No payload: another stream has taken the listener, or it was deleted. */
export function listenersChannel(listenerId: string): string {
  return `listeners:${listenerId}`
}

/** Payload: the name of a task that there is work of. */
export const tasksChannel = 'tasks'

/** Payload: the configuration epoch. */
export const configurationChannel = 'configuration'
