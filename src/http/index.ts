/** The HTTP server: a route table, one log line per request, operational routes, an orderly end. */
export { findFreePort } from './listen.ts'
export { createMetrics } from './metrics.ts'
export type { ReadinessCheck } from './operational-routes.ts'
export { type Problem, sendJson, sendProblem } from './problem.ts'
export type { Exchange, Route } from './route.ts'
export { createHttpServer, type HttpLimits, type HttpServer, type HttpServerOptions } from './server.ts'
export type { TlsFiles } from './tls.ts'
