export { drainTask, drainTaskFor } from '../endpoints/drain.task.ts'
