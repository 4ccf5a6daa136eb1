import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client'

/** The registry of one process, with what Node tells of itself. */
export function createMetrics(): Registry {
  const metrics = new Registry()
  collectDefaultMetrics({ register: metrics })
  return metrics
}

export interface HttpMetrics {
  /** @param status of the answer; `aborted` when the client left before it was sent. */
  observe(labels: { route: string; method: string; status: string }, durationMs: number): void
}

export function createHttpMetrics(metrics: Registry): HttpMetrics {
  const requests = new Counter({
    name: 'http_requests_total',
    help: 'HTTP requests by route template, method and status.',
    labelNames: ['route', 'method', 'status'],
    registers: [metrics],
  })
  const durations = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from a request’s headers to the end of its answer, by route template.',
    labelNames: ['route'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [metrics],
  })
  // Found by one key, since hashing labels anew costs more than the rest of a request's metrics.
  const known = new Map<string, { count(): void; time(seconds: number): void }>()
  const metersOf = (labels: { route: string; method: string; status: string }) => {
    const [counter, histogram] = [requests.labels(labels), durations.labels({ route: labels.route })]
    return { count: () => counter.inc(), time: (seconds: number) => histogram.observe(seconds) }
  }
  return {
    observe(labels, durationMs) {
      const key = `${labels.method} ${labels.status} ${labels.route}`
      const meters = known.get(key) ?? metersOf(labels)
      known.set(key, meters)
      meters.count()
      meters.time(durationMs / 1_000)
    },
  }
}
