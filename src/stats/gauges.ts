import { setTimeout as sleep } from 'node:timers/promises'
import { Gauge, type Registry } from 'prom-client'
import type { Sql } from '../db/sql.ts'
import { maySendTo } from '../endpoints/endpoint-state.ts'
import type { Logger } from '../kernel/log.ts'

/*
 * How things stand in the database, as every process tells it: of several the greatest is to be taken, not the sum. They
 * are read when metrics are asked for, by one statement, and then kept for some seconds. It looks at each endpoint once,
 * and at no more of what waits than it counts. Who asks does not wait long for a database that hangs, and it is not asked
 * again meanwhile: just then the other metrics are needed.
 */
export interface GaugesDeps {
  readonly sql: Sql
  readonly metrics: Registry
  readonly log: Logger
  /** How long what was read holds. Default 5,000. */
  readonly keptMs?: number
  /** How long the other metrics wait for it. Default 2,000. */
  readonly patienceMs?: number
}

const defaultKeptMs = 5_000
const defaultPatienceMs = 2_000
/** The backlog is counted as far as this: to know how much more there is would mean to read it all. */
const maxQueueSize = 10_000
/** So many endpoints are looked at for what waits longest. */
const maxEndpoints = 10_000

interface Standing {
  queue_size: number
  /** Seconds; 0 when nothing is due. */
  oldest_due: number
  active: number
  paused: number
  disabled: number
  breakers_open: number
  operations_running: number
}

const gauges = {
  queue_size: ['webhook_queue_size', `Deliveries that are pending or retrying; counted up to ${maxQueueSize}.`],
  active: ['webhook_endpoints_active', 'Endpoints that are neither paused nor disabled.'],
  paused: ['hookline_endpoints_paused', 'Endpoints that somebody paused.'],
  disabled: ['hookline_endpoints_disabled', 'Endpoints that were disabled because they failed or asked for it.'],
  breakers_open: ['hookline_breakers_open', 'Active endpoints that failed so often that only single attempts go.'],
  oldest_due: [
    'hookline_oldest_due_delivery_seconds',
    'How long the delivery that is due longest has been so, of endpoints that may be sent to; 0 when none is due.',
  ],
  operations_running: ['hookline_operations_running', 'Operations, such as replays, that are under way.'],
} as const satisfies Record<keyof Standing, readonly [name: string, help: string]>

export function createGauges(deps: GaugesDeps): void {
  const { sql, metrics, log, keptMs = defaultKeptMs, patienceMs = defaultPatienceMs } = deps
  let standing: Promise<Standing | null> = Promise.resolve(null)
  let readMs = Number.NEGATIVE_INFINITY
  let isReading = false

  // Without the database there is nothing to tell, but what the process knows of itself is told all the same.
  async function read(): Promise<Standing | null> {
    try {
      return (await sql.query<Standing>(standingText, [maxQueueSize, maxEndpoints]))[0] ?? null
    } catch (error) {
      log.warn({ err: error }, 'metrics of the database cannot be read')
      return null
    }
  }

  function current(): Promise<Standing | null> {
    if (isReading || performance.now() - readMs < keptMs) return standing
    readMs = performance.now()
    isReading = true
    const reading = read().then((found) => {
      isReading = false
      standing = Promise.resolve(found)
      return found
    })
    standing = Promise.race([reading, sleep(patienceMs, null, { ref: false })])
    return standing
  }

  for (const [key, [name, help]] of Object.entries(gauges) as [keyof Standing, readonly [string, string]][]) {
    new Gauge({
      name,
      help,
      registers: [metrics],
      async collect() {
        this.set((await current())?.[key] ?? Number.NaN)
      },
    })
  }
}

// One probe for each endpoint that may be sent to. The order of what waits keeps the planner from looking for it among all
// that ever was, which it prefers where much waited when the table was analyzed. Indexes: deliveries_due_index, operations_running_index.
const standingText = `
  with state as materialized (
    select s.endpoint_id, s.status, s.breaker, ${maySendTo('s')} as may_send
      from endpoint_states as s
  ), waiting as (
    select
      from deliveries as d
     where d.next_attempt_at is not null
     order by d.endpoint_id, d.next_attempt_at
     limit $1::int
  ), due as (
    select o.next_attempt_at
      from (select s.endpoint_id from state as s where s.may_send limit $2::int) as s
     cross join lateral (
       select d.next_attempt_at
         from deliveries as d
        where d.endpoint_id = s.endpoint_id
          and d.next_attempt_at is not null
        order by d.next_attempt_at
        limit 1) as o
  )
  select (select count(*)::int from waiting) as queue_size,
         greatest(0, extract(epoch from now() - (select min(d.next_attempt_at) from due as d)))::float8 as oldest_due,
         count(*) filter (where s.status = 'active')::int as active,
         count(*) filter (where s.status = 'paused')::int as paused,
         count(*) filter (where s.status = 'disabled')::int as disabled,
         count(*) filter (where s.status = 'active' and s.breaker = 'open')::int as breakers_open,
         (select count(*)::int from operations as o where o.finished_at is null) as operations_running
    from state as s`
