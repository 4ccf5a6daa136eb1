/**
 * Operations: work on many objects that goes on after the answer, with its progress.
 *
 *   running ──▶ completed
 *      ├──────▶ failed     (what it works on is gone, or a step keeps failing)
 *      └──────▶ canceled   (a client called it off)
 *
 * A row says what was asked for and how far it is; a task only says that it is to be gone on with. Whoever asks writes
 * both in one transaction (**beginOperation**). The task's handler (**createOperationRunner**) takes one step after the
 * other, each a transaction that locks the operation's row, does a bounded part of the work and moves the progress. So a
 * process may die at any moment: what was committed is done and told, and the next process goes on from there. Two that
 * work on the same operation take turns, and do nothing twice.
 *
 * What a step does is known to the domain that owns the objects; this one knows none of them. Clients read by the
 * **store**, and follow by `watchOperation`.
 */
export { type BegunOperation, beginOperation, type NewOperation } from './begin-operation.ts'
export { cancelOperation } from './cancel-operation.ts'
export type { Operation, OperationKind, OperationStatus } from './operation.ts'
export { createOperationNotices, type OperationNotices } from './operation-notices.ts'
export { createOperationStore, type OperationStore } from './operation-store.ts'
export { removeOldOperations, resumeOperations } from './resume-operations.ts'
export { runOperation, runOperationFor } from './run-operation.task.ts'
export {
  createOperationRunner,
  type OperationAtWork,
  type OperationStep,
  operationConcurrency,
  type StepTaker,
} from './run-operation.ts'
