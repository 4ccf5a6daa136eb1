/**
 * System events: what the gateway itself has to tell the clients of a project, such as that an endpoint was disabled. They
 * are messages in the project's built-in source (see src/sources/system-source.ts), so that they are read, streamed and
 * routed to endpoints like all others.
 *
 *   what happens ─▶ outbox row, in the same transaction ─▶ task ─▶ recorder: a message ─▶ the row is deleted
 *
 *   - the **outbox** (`system_events`) is written by the statements that make it happen, so that there is no moment in
 *     which one exists without the other. Nothing is locked for it;
 *   - **leave-recording** leaves the task, right after such a commit; what is lost with a process the promoter's look finds;
 *   - **record-system-events** records them. The number of the outbox row is a claim: whoever dies between the record and
 *     the deletion has recorded it, and the next one finds that it is there;
 *   - the **limit watch** tells that a source's limit was reached, once in some minutes however many requests are turned
 *     away.
 *
 * Deliveries of system events cause none, or an endpoint that fails would be told of its own failures for ever.
 */
export { createRecordingNotices, leaveRecording, type RecordingNotices } from './leave-recording.ts'
export { createLimitWatch, type LimitWatch } from './limit-watch.ts'
export { insertSystemEvents, isoTime, systemEventType } from './outbox.ts'
export { recordSystemEvents } from './record-system-events.task.ts'
export { createRecordSystemEvents } from './record-system-events.ts'
export type { SystemEventType } from './system-event-type.ts'
