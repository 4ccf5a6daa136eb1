/**
 * A listener is a durable place in a source's log, kept for an API key under a name: up to there all messages are dealt
 * with. It is read in one of two ways:
 *
 *   stream   a reader holds a socket: `streamListener` takes the listener under a new **lease** and gives what follows
 *            its place; the lease goes with each acknowledgement. A newer stream takes the listener at once: the older
 *            one ends with LISTENER_TAKEN, and what its reader still acknowledges is refused with LEASE_LOST.
 *   reading  a reader without a socket asks for the next events and acknowledges without a lease, which is possible
 *            while no stream holds the listener.
 *
 * The lease stands in the listener's row, so that it holds over all processes: the row's lock puts the taking of a
 * listener and its acknowledgements in one order. The process that streams renews its leases together, every few seconds,
 * and looks at once when the bus tells of a change. A place only rises. Reading and streaming write nothing per message;
 * after a crash the next stream begins at the acknowledged place, so that a message may be sent again, and is
 * acknowledged once.
 */
export type { AcknowledgeInput } from './acknowledge-messages.ts'
export type { CreateListenerInput } from './create-listener.ts'
export { eventsAfter, readingPlace } from './events-after.ts'
export type { LeasedEvent, Listener, ListenerEvent, LogPosition } from './listener.ts'
export { createListeners, type Listeners } from './listeners.ts'
export { createPlainListeners, type PlainAnswer, type PlainListeners } from './plain-listeners.ts'
export type { StreamListenerOptions } from './stream-listener.ts'
