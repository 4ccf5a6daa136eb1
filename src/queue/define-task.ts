import type { ZodType } from 'zod'
import type { Sql } from '../db/sql.ts'

/** A kind of work that must survive: its name (that of its pg-boss queue) and what a task of it carries. */
export interface TaskDefinition<Payload extends object> {
  /** Letters, digits and hyphens; also the label in logs and metrics. */
  readonly name: string
  /** Checked when a task is taken up, because the row may have been written by another version of the program. */
  readonly payload: ZodType<Payload>
  /** Runs by the clock rather than because something happened: its log lines are of level debug. Default false. */
  readonly isRoutine?: boolean
}

/** The producer's domain defines a task, its consumer's domain handles it, app.ts joins them. */
export function defineTask<Payload extends object>(definition: TaskDefinition<Payload>): TaskDefinition<Payload> {
  return definition
}

/** One task to be done. */
export interface NewTask<Payload extends object> {
  readonly payload: Payload
  /** At most one task per key waits; a second one is dropped in silence. Without a key every row is a task. */
  readonly singletonKey?: string
  /** Seconds until the task may be taken up. Default 0. Meant for the rare periodic task: waiting ones are scanned. */
  readonly delaySeconds?: number
}

/** One task under way, as its handler sees it. */
export interface TaskRun {
  /** pg-boss's id, for logs. */
  readonly id: string
  /** Aborted at once when the process begins to stop: end at the next good point, and `postpone` if work is left. */
  readonly closing: AbortSignal
  /** Aborted when the grace of a stop is over: let go of what is under way. */
  readonly signal: AbortSignal
  /**
   * Ends the task in the handler's own transaction. Without it the task ends when the handler returns.
   *
   * @returns false when another process has the task by now: its work is not ours to commit any more.
   */
  settle(sql: Sql): Promise<boolean>
  /** The task is not done: once the handler has returned, any process may take it up at once. */
  postpone(): void
}

export type TaskHandler<Payload extends object> = (payload: Payload, run: TaskRun) => Promise<void>
