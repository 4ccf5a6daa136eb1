import { drainTask } from './deliveries/drain.task.ts'
import { maintainTask } from './deliveries/maintain.task.ts'
import { purgeEndpoint } from './endpoints/purge-endpoint.task.ts'
import { fanOutTask } from './messages/fan-out.task.ts'
import { runOperation } from './operations/run-operation.task.ts'
import { retainTask } from './retention/retain.task.ts'
import { purgeSource } from './sources/purge-source.task.ts'
import { recordSystemEvents } from './system-events/record-system-events.task.ts'

/** The kinds of work that survive the process; each has a queue. Their handlers are registered by whoever works. */
export const tasks = [
  fanOutTask,
  drainTask,
  maintainTask,
  retainTask,
  runOperation,
  recordSystemEvents,
  purgeSource,
  purgeEndpoint,
]
