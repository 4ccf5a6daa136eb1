/**
 * Work that must survive. A **task** is a row in pg-boss, written in the transaction of whatever makes it necessary,
 * and deleted in the transaction that does it.
 *
 * A producer `enqueue`s inside its transaction and `wake`s after the commit. A **pump** per task and process fetches
 * what waits and runs its handler. While a handler runs the task is `active` and is touched every few seconds; if its
 * process is lost, pg-boss makes it wait again after 10 s. A handler may therefore run twice, never not at all: what it
 * writes is guarded by `settle`, which fails once the task is another's.
 *
 * `singletonKey` keeps the queue as small as the number of keys: at most one task per key waits. An insert that is
 * skipped for it relies on the waiting task seeing what its transaction commits. The waiting task may be fetched before
 * that commit, so its handler must first wait for such transactions at a row that they lock.
 */
export { defineTask, type NewTask, type TaskDefinition, type TaskHandler, type TaskRun } from './define-task.ts'
export { createTaskQueue, type TaskQueue, type TaskQueueOptions, type TaskStatement } from './task-queue.ts'
