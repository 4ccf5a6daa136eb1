import type { Registry } from 'prom-client'
import type { Viewer } from '../auth/viewer.ts'
import type { Orm } from '../db/orm.ts'
import type { Sql } from '../db/sql.ts'
import type { ListenerId } from '../kernel/ids.ts'
import type { Logger } from '../kernel/log.ts'
import type { Outcome } from '../kernel/outcome.ts'
import type { Bus } from '../live/bus.ts'
import type { Epochs } from '../live/epoch.ts'
import type { Feed } from '../live/feed.ts'
import type { MessageStore, StoredMessage } from '../messages/index.ts'
import { type AcknowledgeInput, acknowledgeMessages } from './acknowledge-messages.ts'
import { type CreateListenerInput, createListener } from './create-listener.ts'
import { deleteListener } from './delete-listener.ts'
import type { Listener, ListenerEvent } from './listener.ts'
import { createListenerLeases, type ListenerLeasesDeps } from './listener-leases.ts'
import { createListenerMeters } from './listener-meters.ts'
import { createListenerStore, type ListenerStore } from './listener-store.ts'
import { type StreamListenerOptions, streamListener } from './stream-listener.ts'

/** The listeners' face: reading by the store, and what changes them. */
export interface Listeners extends ListenerStore {
  create(viewer: Viewer, input: CreateListenerInput): Promise<Outcome<Listener>>
  delete(viewer: Viewer, input: { readonly id: string }): Promise<Outcome<{ readonly deletedId: ListenerId }>>
  acknowledge(viewer: Viewer, input: AcknowledgeInput): Promise<Outcome<Listener>>
  stream(options: StreamListenerOptions): AsyncGenerator<ListenerEvent, void, undefined>
  /** Notes, a little later, that its key reads the listener without a stream. */
  noteReading(listenerId: ListenerId): void
  /** Lets go of what the streams of this process still hold. */
  close(): Promise<void>
}

export interface ListenersDeps extends Pick<ListenerLeasesDeps, 'renewMs'> {
  readonly orm: Orm
  readonly sql: Sql
  readonly bus: Bus
  readonly epochs: Pick<Epochs, 'onChange'>
  readonly feed: Feed<StoredMessage>
  readonly messages: MessageStore
  readonly log: Logger
  readonly metrics: Registry
}

export function createListeners(deps: ListenersDeps): Listeners {
  const listeners = createListenerStore(deps.sql)
  const meters = createListenerMeters(deps.metrics, () => leases.heldCount())
  const leases = createListenerLeases({ ...deps, meters })
  return {
    ...listeners,
    create: (viewer, input) => createListener({ ...deps, listeners }, viewer, input),
    delete: (viewer, input) => deleteListener({ ...deps, listeners }, viewer, input),
    acknowledge: (viewer, input) => acknowledgeMessages({ ...deps, listeners, leases, meters }, viewer, input),
    stream: (options) => streamListener({ ...deps, leases }, options),
    noteReading: (listenerId) => leases.noteReading(listenerId),
    close: () => leases.close(),
  }
}
