/**
 * Messages: what came in, in the order of commit.
 *
 * Ingress hands a `NewMessage` to the **recorder**, which waits for the commit of a transaction that many requests
 * share. In it the heads of the batch's sources are locked, each message whose claim nobody holds gets the
 * next sequence of its source, heads move, and one fan-out task per source is left for the deliveries domain. After the
 * commit a wake-up says how far each source now reaches; readers (the feed, GraphQL, fan-out) ask the **store**.
 *
 * Sequences are dense and become visible in order, because a head's lock is held from the giving of a sequence until
 * the commit. So 'the last sequence that I have seen' is all that a reader must remember.
 */
export { fanOutTask } from './fan-out.task.ts'
export { type HeaderField, headerFieldsOf, type NewMessage, type StoredMessage } from './message.ts'
export { createMessageStore, type MessageStore, type PageLimits } from './message-store.ts'
export type { Recorded } from './record-batch.ts'
export type { Claim, Recordable } from './record-statements.ts'
export { createRecorder, type Recorder, type RecorderLimits } from './recorder.ts'
