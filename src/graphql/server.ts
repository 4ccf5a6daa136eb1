import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { GraphQLSchema } from 'graphql'
import type { Authenticator } from '../auth/authenticator.ts'
import type { Logger } from '../kernel/log.ts'
import type { Epochs } from '../live/epoch.ts'
import { createEventStreams } from './event-streams.ts'
import { createHttpHandler, type NodeExchange } from './http.ts'
import { createKeyWatch } from './key-watch.ts'
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
  const { authenticator, epochs, log, publicUrl, stalledMs = defaultStalledMs } = options
  const operations = createOperations({ schema, services: options, epochs, log })
  const keys = createKeyWatch({ authenticator, epochs, log })
  const streams = createEventStreams({ keys, stalledMs })
  const sockets = createSockets({ operations, authenticator, keys, publicUrl, stalledMs, log })
  return {
    handle: createHttpHandler({ operations, authenticator, streams, log }),
    upgrade: sockets.upgrade,
    async close() {
      await Promise.all([sockets.close(), streams.close()])
      keys.close()
    },
    schema,
  }
}
