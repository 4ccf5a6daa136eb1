import type { SystemEventType } from './system-event-type.ts'

/*
 * SQL for the statements that make things happen: one more part of them puts what is to be told into the outbox. Its rows
 * are numbered in the order in which they are written; of one endpoint that is the order in which its row was locked.
 */

/**
 * @param rows SQL that yields `project_id`, `type`, `subject` and `data`: an object of JSON, whose fields are part of the
 *   interface.
 * @returns an insert that tells of each row.
 */
export function insertSystemEvents(rows: string): string {
  return `insert into system_events (project_id, type, subject, data)
    select e.project_id, e.type, e.subject, e.data::text
      from (${rows}) as e`
}

/** @returns SQL for the type. */
export function systemEventType(type: SystemEventType): string {
  return `'${type}'`
}

/** @returns SQL for a time in the form of all our JSON, such as 2026-01-31T12:00:00.000Z. */
export function isoTime(time: string): string {
  return `to_char(${time} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
}
