import type { Registry } from 'prom-client'
import { sendJson } from './problem.ts'
import type { Route } from './route.ts'

/** Something this process needs to do its work. */
export interface ReadinessCheck {
  /** Such as `database`; public. */
  readonly name: string
  /** Resolves while all is well. What it throws is logged, never shown. */
  readonly check: () => Promise<void>
}

export interface OperationalOptions {
  readonly version: string
  readonly checks: readonly ReadinessCheck[]
  readonly isDraining: () => boolean
  readonly metrics: Registry
}

/** A check that takes longer has failed: the probe that asks does not wait for ever either. */
const checkTimeoutMs = 2_000

/** `/healthz`: the process lives. `/readyz`: it can do its work. `/metrics`: for Prometheus. */
export function operationalRoutes(options: OperationalOptions): Route[] {
  return [healthRoute(options.version), readyRoute(options), metricsRoute(options.metrics)]
}

function healthRoute(version: string): Route {
  const startedAt = new Date().toISOString()
  return {
    template: '/healthz',
    methods: ['GET'],
    handle: (exchange) => sendJson(exchange, 200, { status: 'ok', version, startedAt }, notStored),
  }
}

function readyRoute({ checks, isDraining }: OperationalOptions): Route {
  return {
    template: '/readyz',
    methods: ['GET'],
    async handle(exchange) {
      if (isDraining()) return sendJson(exchange, 503, { status: 'draining' }, notStored)
      const outcomes = await Promise.all(checks.map(runCheck))
      const failed = outcomes.filter((outcome) => outcome !== null)
      const [first] = failed
      if (first === undefined) return sendJson(exchange, 200, { status: 'ready' }, notStored)
      exchange.note({ err: first.error })
      sendJson(exchange, 503, { status: 'not ready', failed: failed.map(({ name }) => name) }, notStored)
    },
  }
}

function metricsRoute(metrics: Registry): Route {
  return {
    template: '/metrics',
    methods: ['GET'],
    async handle({ response }) {
      const text = await metrics.metrics()
      response.writeHead(200, { 'content-type': metrics.contentType, 'content-length': Buffer.byteLength(text) })
      response.end(text)
    },
  }
}

const notStored = { 'cache-control': 'no-store' }

async function runCheck({ name, check }: ReadinessCheck): Promise<{ name: string; error: unknown } | null> {
  const timeout = Promise.withResolvers<never>()
  const timer = setTimeout(() => timeout.reject(new Error(`no answer within ${checkTimeoutMs} ms`)), checkTimeoutMs)
  try {
    await Promise.race([check(), timeout.promise])
    return null
  } catch (error) {
    return { name, error }
  } finally {
    clearTimeout(timer)
  }
}
