import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { GraphQLSchema } from 'graphql'
import type { Authenticator } from '../auth/authenticator.ts'
import type { Logger } from '../kernel/log.ts'
import type { OriginCheck } from '../kernel/origins.ts'
import type { Epochs } from '../live/epoch.ts'
import type { SubscriptionLimit } from '../live/subscription-limit.ts'
import { createEventStreams } from './event-streams.ts'
import { createHttpHandler, type NodeExchange } from './http.ts'
import type { KeyWatch } from './key-watch.ts'
import { createOperations } from './operations.ts'
import { schema } from './schema.ts'
import type { Services } from './services.ts'
import { createSockets } from './websocket.ts'

/** A subscriber that takes nothing for this long is cut off; with its cursors it can come back and go on. */
const defaultStalledMs = 30_000

export interface GraphqlOptions extends Services {
  readonly authenticator: Authenticator
  readonly epochs: Services['epochs'] & Pick<Epochs, 'onChange'>
  readonly log: Logger
  readonly keys: KeyWatch
  readonly subscriptions: SubscriptionLimit
  /** For WebSockets; over HTTP no page of another origin is served. */
  readonly isAllowedOrigin: OriginCheck
  /** Default 30,000. */
  readonly stalledMs?: number
}

/** The GraphQL API at `/graphql`: queries and mutations over HTTP, subscriptions over WebSocket and SSE. */
export interface Graphql {
  /** Answers whatever comes to `/graphql`, GraphiQL included; the body must be unread. */
  handle(exchange: NodeExchange): Promise<void>
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Completes all subscriptions and closes all sockets with 1001. */
  close(): Promise<void>
  readonly schema: GraphQLSchema
}

export function createGraphql(options: GraphqlOptions): Graphql {
  const { authenticator, epochs, log, keys, subscriptions, isAllowedOrigin, stalledMs = defaultStalledMs } = options
  const operations = createOperations({ schema, services: options, subscriptions, epochs, log })
  const streams = createEventStreams({ keys, stalledMs })
  const sockets = createSockets({ operations, authenticator, keys, isAllowedOrigin, stalledMs, log })
  return {
    handle: createHttpHandler({ operations, authenticator, streams, log }),
    upgrade: sockets.upgrade,
    async close() {
      await Promise.all([sockets.close(), streams.close()])
    },
    schema,
  }
}
