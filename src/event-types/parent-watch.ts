import { workerData } from 'node:worker_threads'

/*
 * A thread of the process that checks. A check that never ends is ended by the parent; should the parent be gone, without
 * a moment to do that, it would run for ever.
 */
const parentId: unknown = workerData
setInterval(() => {
  if (process.ppid !== parentId) process.kill(process.pid, 'SIGKILL')
}, 1_000)
