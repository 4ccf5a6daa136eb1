import type { ConstructorOptions, Queue } from 'pg-boss'

/*
 * pg-boss's defaults lose work: a crash is noticed after 15 minutes, the third one fails the task, and 14 days in a
 * queue delete it. Here a task ends only when its work is done.
 */

/** Every queue's policy. `short`: at most one task per singleton key waits. */
export const queuePolicy = {
  policy: 'short',
  retryLimit: 2_000_000_000,
  // Given back tasks get their delay from us; what pg-boss itself takes back (a lost worker) may run at once.
  retryDelay: 0,
  retryBackoff: false,
  // The longest that pg-boss allows. Whoever is at work for longer is taken for lost, as for a missed heart-beat.
  expireInSeconds: 24 * 3600 - 1,
  // A worker that is silent for this long has lost its tasks. pg-boss takes no less.
  heartbeatSeconds: 10,
  retentionSeconds: 10 * 365 * 24 * 3600,
  // Ended tasks are deleted by us; a row that fails for good would stay to be seen.
  deleteAfterSeconds: 0,
  notify: false,
} as const satisfies Omit<Queue, 'name'>

export const bossOptions = {
  schema: 'pgboss',
  // The sweeps that find lost workers; a pass costs a scan of a table with a row per busy endpoint.
  superviseIntervalSeconds: 1,
  monitorIntervalSeconds: 1,
  schedule: false,
  useListenNotify: false,
  // We use no dependencies between tasks; the poll for them cannot be switched off.
  flowIntervalSeconds: 3600,
} as const satisfies ConstructorOptions

/** Running tasks are touched this often: three times within what pg-boss waits. */
export const touchIntervalMs = 3_000
