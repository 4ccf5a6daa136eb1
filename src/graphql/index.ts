/**
 * The GraphQL API. Types of a domain stand beside it in `*.graphql.ts`; this folder holds what they share, and what
 * carries operations: HTTP and SSE through Yoga (http.ts), WebSocket through graphql-ws (websocket.ts). Both hand what
 * they receive to operations.ts, so that limits, errors and the freshness of data are the same everywhere.
 */
export { createKeyWatch, type KeyWatch } from './key-watch.ts'
export { printSchemaText } from './print-schema.ts'
export { createGraphql, type Graphql, type GraphqlOptions } from './server.ts'
export type { Services } from './services.ts'
