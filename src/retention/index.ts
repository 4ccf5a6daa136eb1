/**
 * Retention: how long messages stay. A source's rule is its own, else its project's, else the server's; it bounds the
 * log by count, by bytes and by age, and the first bound that is passed counts.
 *
 *   look ──▶ retain (a task per source): 1. move the floor   2. drop what lies below, step by step
 *
 * The **floor** of a log is the first sequence that is kept (`source_heads.first_sequence`). From its move on readers
 * see nothing below it, and those that had not read so far are told of a gap; so it does not matter when the rows go,
 * or how often the going is interrupted. The floor never passes what is fanned out, so that every message has had its
 * deliveries made; those that are still open when their message goes are **expired**. All of a message's deliveries follow
 * it seven days later.
 *
 * A rule that becomes stricter holds at the next look; one that becomes looser brings nothing back.
 */
export { dropMessages } from './drop-messages.ts'
export { leaveRetention, resumeRetention } from './look.ts'
export { retainTask } from './retain.task.ts'
export { createRetain, retainConcurrency } from './retain.ts'
