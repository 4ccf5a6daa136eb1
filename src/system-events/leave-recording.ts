import type { Sql } from '../db/sql.ts'
import type { Logger } from '../kernel/log.ts'
import type { TaskQueue } from '../queue/index.ts'
import { recordSystemEvents } from './record-system-events.task.ts'

interface LeaveDeps {
  readonly sql: Sql
  readonly queue: Pick<TaskQueue, 'enqueue' | 'wake'>
}

/** Leaves the task that records, where the outbox holds something. */
export async function leaveRecording({ sql, queue }: LeaveDeps): Promise<void> {
  const waiting = await sql.query(`select e.id from system_events as e limit 1`)
  if (waiting.length === 0) return
  await queue.enqueue(sql, recordSystemEvents, [{ payload: {}, singletonKey: 'all' }])
  queue.wake(recordSystemEvents)
}

export interface RecordingNotices {
  /** System events were committed. Losing the notice loses nothing: the promoter looks as well. */
  written(): void
}

/** However often it is told, at most one look is under way, and one more follows. */
export function createRecordingNotices(deps: LeaveDeps & { readonly log: Logger }): RecordingNotices {
  let isLooking = false
  let looksAgain = false

  async function look(): Promise<void> {
    isLooking = true
    do {
      looksAgain = false
      await leaveRecording(deps).catch((error: unknown) =>
        deps.log.warn({ err: error }, 'system events could not be handed over; the next look finds them'),
      )
    } while (looksAgain)
    isLooking = false
  }

  return {
    written() {
      looksAgain = true
      if (!isLooking) void look()
    },
  }
}
