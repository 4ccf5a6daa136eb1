import type { ApiKeyStore } from '../auth/api-key-store.ts'
import type { DeliveryStore } from '../deliveries/delivery-store.ts'
import type { DiagnosisDeps, TestEndpointDeps } from '../diagnosis/index.ts'
import type { DeleteEndpointDeps, EndpointDeps, EndpointStore } from '../endpoints/index.ts'
import type { EventTypeStore } from '../event-types/index.ts'
import type { EventPublisher } from '../ingress/index.ts'
import type { Listeners } from '../listeners/index.ts'
import type { Bus } from '../live/bus.ts'
import type { Feed } from '../live/feed.ts'
import type { StoredMessage } from '../messages/message.ts'
import type { MessageStore } from '../messages/message-store.ts'
import type { OperationStore } from '../operations/index.ts'
import type { Outbound } from '../outbound/outbound.ts'
import type { Retention } from '../projects/limits.ts'
import type { RefusalStore } from '../refusals/index.ts'
import type { DeleteSourceDeps, SourceDeps, SourceStore } from '../sources/index.ts'
import type { StatsFeed, StatsStore } from '../stats/index.ts'
import type { StreamTickets } from '../streams/index.ts'

/** What resolvers call: the domains' stores, and what their operations need. */
export interface Services
  extends SourceDeps,
    DeleteSourceDeps,
    EndpointDeps,
    DeleteEndpointDeps,
    TestEndpointDeps,
    DiagnosisDeps {
  /** Where clients reach this installation, without a slash at the end; source addresses begin with it. */
  readonly publicUrl: string
  readonly bus: Bus
  readonly outbound: Outbound
  readonly apiKeys: ApiKeyStore
  readonly sources: SourceStore
  readonly endpoints: EndpointStore
  readonly messages: MessageStore
  readonly deliveries: DeliveryStore
  readonly operations: OperationStore
  readonly feed: Feed<StoredMessage>
  readonly listeners: Listeners
  readonly refusals: RefusalStore
  readonly eventTypes: EventTypeStore
  readonly publisher: EventPublisher
  readonly streamTickets: StreamTickets
  readonly stats: StatsStore
  readonly statsFeed: StatsFeed
  /** How long messages are kept where neither source nor project says. */
  readonly defaultRetention: Retention
}
