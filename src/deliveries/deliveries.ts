import type { Pool } from 'pg'
import type { Registry } from 'prom-client'
import { sqlOfPool } from '../db/sql.ts'
import type { ActiveEndpoint } from '../endpoints/index.ts'
import { purgeEndpoint } from '../endpoints/purge-endpoint.task.ts'
import type { DeliveryId, EndpointId } from '../kernel/ids.ts'
import type { Logger } from '../kernel/log.ts'
import type { Bus } from '../live/bus.ts'
import { fanOutTask } from '../messages/fan-out.task.ts'
import {
  createOperationNotices,
  createOperationRunner,
  operationConcurrency,
  runOperation,
} from '../operations/index.ts'
import type { TaskQueue } from '../queue/index.ts'
import { createRetain, retainConcurrency, retainTask } from '../retention/index.ts'
import { purgeSource } from '../sources/purge-source.task.ts'
import { createRecordingNotices } from '../system-events/index.ts'
import type { Sender } from './attempt-delivery.ts'
import { createDeliveryMeters } from './delivery-meters.ts'
import { createDeliveryNotices, type DeliveryNotices } from './delivery-notices.ts'
import { drainTask } from './drain.task.ts'
import { createDrain, drainConcurrency } from './drain.ts'
import { createEndpointWatch, type EndpointChange } from './endpoint-changes.ts'
import { createFanOut, fanOutConcurrency } from './fan-out.ts'
import { maintainTask } from './maintain.task.ts'
import { createEndpointMatcher } from './match-endpoints.ts'
import { createPromoter } from './promote.ts'
import { createPurgeEndpoint, createPurgeSource } from './purge.ts'
import { createReconcile } from './reconcile.ts'
import { createReplayStep } from './replay-step.ts'
import { createRetryStep } from './retry-deliveries.ts'
import type { Settled } from './settle.ts'
import { settledLine } from './settled-line.ts'
import { createSettler } from './settler.ts'

/** The worker's half of this domain: fans out, sends, and looks after what was left behind. */
export interface Deliveries {
  /** Registers the handlers with the queue, and begins to look for what falls due. */
  start(): void
  /** Looks no more. Handlers end with the queue, which is to be stopped afterwards. */
  stop(): Promise<void>
}

export interface DeliveriesDeps {
  readonly pool: Pool
  /** See db/pool.ts. */
  readonly keyedPool: Pool
  readonly queue: Pick<TaskQueue, 'enqueue' | 'wake' | 'handle'>
  readonly outbound: Sender
  readonly endpoints: { byId(id: EndpointId): Promise<ActiveEndpoint | null> }
  readonly bus: Pick<Bus, 'publish' | 'subscribe'>
  readonly log: Logger
  readonly metrics: Registry
  /** Names this run of this process; a new one at each start. */
  readonly instanceId: string
  /** Of Hookline, for `User-Agent`. */
  readonly version: string
  /** Between two looks for what has fallen due. Default 1,000. */
  readonly promoteIntervalMs?: number
  /** Bodies of large messages that are under way at a time. Default 128 MiB. */
  readonly maxBodyBytes?: number
  /** How old messages become where neither source nor project has a rule. Default null: any age. */
  readonly defaultMaxAgeHours?: number | null
}

const promoteIntervalMs = 1_000

export function createDeliveries(deps: DeliveriesDeps): Deliveries {
  const { queue, log, defaultMaxAgeHours = null } = deps
  const sql = sqlOfPool(deps.pool)
  const notices = createDeliveryNotices(deps.bus)
  const meters = createDeliveryMeters(deps.metrics)
  const recording = createRecordingNotices({ sql, queue, log })
  const watch = createEndpointWatch({
    sql,
    onEndpointChanged(change) {
      logChange(log, change)
      recording.written()
    },
  })
  const settler = createSettler({
    sql,
    keyedSql: sqlOfPool(deps.keyedPool),
    instanceId: deps.instanceId,
    log,
    onSettled(batch, settled) {
      meters.observe(batch, settled)
      if (settled.length > 0 && log.isLevelEnabled('info')) log.info(settledLine(batch, settled), 'deliveries settled')
      announce(notices, settled)
      watch.afterBatch(batch, settled)
    },
  })
  const drain = createDrain({ ...deps, userAgent: `Hookline/${deps.version}`, settler, watch, notices })
  const matcher = createEndpointMatcher(deps)
  const fanOut = createFanOut({ ...deps, notices, matcher, meters, notifyDrains })
  const operate = createOperationRunner({
    pool: deps.pool,
    queue,
    notices: createOperationNotices(deps.bus),
    log,
    kinds: {
      'replay-messages': createReplayStep({ queue, notices, matcher }),
      'retry-deliveries': createRetryStep({ queue, notices }),
    },
  })
  const retain = createRetain({ sql, notices, log, metrics: deps.metrics, defaultMaxAgeHours })
  const intervalMs = deps.promoteIntervalMs ?? promoteIntervalMs
  const promoter = createPromoter({ sql, queue, log, intervalMs, defaultMaxAgeHours })
  let stopListening = () => {}

  // Here and elsewhere: the endpoints' leases may be held by any process.
  function notifyDrains(endpointIds: readonly EndpointId[]): void {
    drain.notify(endpointIds)
    notices.work(endpointIds)
  }

  return {
    start() {
      queue.handle(fanOutTask, fanOut, { concurrency: fanOutConcurrency })
      queue.handle(drainTask, drain.handler, { concurrency: drainConcurrency })
      queue.handle(purgeSource, createPurgeSource({ sql, notices }), { concurrency: 1 })
      queue.handle(purgeEndpoint, createPurgeEndpoint({ sql, notices }), { concurrency: 1 })
      queue.handle(retainTask, retain, { concurrency: retainConcurrency })
      queue.handle(runOperation, operate, { concurrency: operationConcurrency })
      queue.handle(maintainTask, createReconcile({ sql, queue, log }), { concurrency: 1 })
      stopListening = notices.onWork(drain.notify)
      promoter.start()
    },
    async stop() {
      stopListening()
      await promoter.stop()
    },
  }
}

function announce(notices: DeliveryNotices, settled: readonly Settled[]): void {
  for (const [projectId, group] of Map.groupBy(settled, (one) => one.projectId)) {
    const ids: DeliveryId[] = group.map((one) => one.deliveryId)
    notices.changed(projectId, ids)
  }
}

// Of deliveries that are given up there may be thousands.
function logChange(log: Logger, { kind, ...change }: EndpointChange): void {
  if (kind === 'delivery-exhausted') log.info(change, 'a delivery was given up')
  else log.warn(change, changeTexts[kind])
}

const changeTexts = {
  'endpoint-disabled': 'an endpoint was disabled',
  'breaker-opened': 'an endpoint fails: its deliveries wait, and single ones show whether it answers again',
  'breaker-closed': 'an endpoint answers again',
}
