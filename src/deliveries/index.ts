/**
 * Deliveries: one message for one endpoint, attempted until it is delivered, given up or called off.
 *
 *   pending ──▶ retrying ──▶ delivered
 *      │  └────────┬───────▶ failed       (the last attempt failed, or the receiver answered 410)
 *      ├───────────┼───────▶ canceled     (a client called it off, or its source or endpoint was deleted)
 *      └───────────┴───────▶ expired      (retention dropped its message)
 *
 * A client may ask for a retry of what has failed or was canceled: it waits again, its retries begin afresh.
 *
 * What waits, waits in rows: a delivery that is open has `next_attempt_at`. Tasks only say where to look.
 *
 *   - **fan-out** (a task per source) makes the deliveries of new messages against one snapshot of the endpoints;
 *   - **drain** (a task per endpoint) takes the endpoint's lease, sends what is due and hands each outcome to the
 *     **settler**, which writes those of all endpoints together, fenced by lease and attempt number;
 *   - **decide-next** chooses what follows an attempt, and is pure;
 *   - an endpoint that is paused, throttled by its own answers or held by its breaker gets nothing, and its deliveries use
 *     up no attempts (endpoints/endpoint-state.ts; **sendable** says so in SQL). Settling keeps that up to date, the holder
 *     of the lease keeps the endpoint's rate (**pace**), concurrency and order;
 *   - the **promoter** leaves drain tasks when retries fall due, when what held an endpoint back is over, or when a holder
 *     has died;
 *   - **replay-messages** and **retry-deliveries** are operations (src/operations): they make deliveries of stored
 *     messages, or attempt again what was given up, in steps like those of fan-out;
 *   - **reconcile** and **purge** look after what was left behind;
 *   - **retain** (a task per source) drops the messages that its rule keeps no longer; see src/retention. Their
 *     deliveries stay for a week, to be looked up, and then go with their attempts (**remove-outlived**).
 *
 * Whatever process dies when: the delivery's row still says that it is due, so that it is attempted again, under the
 * same id. Clients read by the **store** and follow changes by `watchDeliveries`.
 */
export { createDeliveries, type Deliveries, type DeliveriesDeps } from './deliveries.ts'
export type { Attempt, Delivery, DeliveryFilter, DeliveryStatus } from './delivery.ts'
export { createDeliveryStore, type DeliveryPage, type DeliveryQuery, type DeliveryStore } from './delivery-store.ts'
export { drainTask } from './drain.task.ts'
export { releaseAllLeases } from './lease.ts'
export { maintainTask } from './maintain.task.ts'
export { type WatchDeps, type WatchOptions, watchDeliveries } from './watch-deliveries.ts'
